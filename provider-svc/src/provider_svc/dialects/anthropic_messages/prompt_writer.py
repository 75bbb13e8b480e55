"""A prompt as a Messages body."""

from collections.abc import Mapping

from provider_svc.dialects.anthropic_messages.block_writer import BlockWriter
from provider_svc.dialects.anthropic_messages.cache_marks import CacheMarks
from provider_svc.dialects.anthropic_messages.conversation import Conversation
from provider_svc.dialects.anthropic_messages.tool_writer import write_tools
from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.prompt import Handling, Json, Prompt, Reasoning, Sampling, Shape

# Anthropic requires a bound, OpenAI does not; an answer that meets this one says that it stopped for its length.
DEFAULT_MAX_TOKENS = 4096

LEAST_BUDGET = 1024  # tokens of thinking that is given a budget

EFFORTS: Mapping[str, str] = {effort: effort for effort in ("low", "medium", "high", "xhigh", "max")}
NEAREST_EFFORT: Mapping[str, str] = {"minimal": "low"}

TIERS: Mapping[str, str] = {"auto": "auto", "default": "standard_only"}

# Members of a sampling without a counterpart, and the values that ask for what Anthropic does anyway.
NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "presence_penalty": (0,),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
}

# What steers other makers' machinery.
HINTS = ("metadata", "prompt_cache_key", "prompt_cache_retention")


def write_prompt(prompt: Prompt, losses: Losses) -> dict[str, object]:
    """See `WritePrompt`. Members that make no difference at the makers' defaults are left out."""
    marks = CacheMarks(losses)
    tools = write_tools(prompt, marks, losses)  # marks count from the tools on
    conversation = Conversation(BlockWriter(losses, marks), losses).write(prompt)
    thinking = _thinking(prompt.reasoning, prompt.sampling.max_tokens, losses)
    output = _output(prompt, losses)
    return {
        "max_tokens": _max_tokens(prompt.sampling, thinking),
        **conversation,
        **tools,
        **_sampling(prompt.sampling, losses),
        **({"thinking": thinking} if thinking else {}),
        **({"output_config": output} if output else {}),
        **_handling(prompt.handling, losses),
    }


def _max_tokens(sampling: Sampling, thinking: Json) -> int:
    bound = sampling.max_tokens
    if bound is None:
        return DEFAULT_MAX_TOKENS + int(thinking.get("budget_tokens", 0))
    if bound < 1:  # 0 would warm Anthropic's prompt cache and answer nothing
        raise refusal("max_tokens", "max_tokens must be at least 1")
    return bound


def _sampling(sampling: Sampling, losses: Losses) -> Json:
    for name, neutral in NEUTRAL.items():
        value = getattr(sampling, name)
        if value is not None and value not in neutral:
            losses.lose(name, f"Anthropic has no counterpart of {name} with this value; leave it out")
    if sampling.seed is not None:
        losses.drop("seed")  # a best effort at OpenAI too, which promises no equal answers
    members: Json = {}
    for name in ("temperature", "top_p"):
        share = _bounded(name, getattr(sampling, name), losses)
        if share not in {None, 1.0}:  # everybody's default, and models that take neither take it only unsaid
            members[name] = share
    if sampling.top_k is not None:
        members["top_k"] = sampling.top_k
    if sampling.stop:
        members["stop_sequences"] = list(sampling.stop)
    return members


def _bounded(name: str, value: float | None, losses: Losses) -> float | None:
    """The value, or the nearest that Anthropic takes."""
    if value is None or 0 <= value <= 1:
        return value
    losses.lose(name, f"Anthropic takes a {name} between 0 and 1")
    return min(max(value, 0.0), 1.0)


def _thinking(reasoning: Reasoning, max_tokens: int | None, losses: Losses) -> Json:
    """`thinking`; empty where nothing was said of it (https://docs.claude.com/en/docs/build-with-claude/adaptive-thinking)."""
    if reasoning.is_enabled is False:
        return {"type": "disabled"}
    budget = _budget(reasoning.budget, max_tokens, losses)
    if budget is not None:
        thinking: Json = {"type": "enabled", "budget_tokens": budget}
    elif reasoning.effort is not None or (reasoning.is_enabled and reasoning.budget is None):
        thinking = {"type": "adaptive"}
    else:
        return {}
    return thinking | {"display": "summarized"} if reasoning.summary is not None else thinking


def _budget(asked: int | None, max_tokens: int | None, losses: Losses) -> int | None:
    """Tokens to think with, which leave room for an answer."""
    if asked is None:
        return None
    most = asked if max_tokens is None else max_tokens - 1
    if max_tokens is not None and most < LEAST_BUDGET:
        why = f"Anthropic thinks with {LEAST_BUDGET} tokens at least, and max_tokens leaves no room for them"
        losses.lose("reasoning.budget", why)
        return None
    budget = max(LEAST_BUDGET, min(asked, most))
    if budget != asked:
        losses.drop("reasoning.budget")
    return budget


def _output(prompt: Prompt, losses: Losses) -> Json:
    """`output_config` (https://docs.claude.com/en/docs/build-with-claude/structured-outputs and .../effort)."""
    config: Json = {}
    effort = prompt.reasoning.effort
    if effort is not None:
        if effort not in EFFORTS:
            why = f"Anthropic has no effort {effort[:40]}; it has low, medium, high, xhigh and max"
            losses.lose("reasoning.effort", why)
        if known := EFFORTS.get(effort) or NEAREST_EFFORT.get(effort):
            config["effort"] = known
    if prompt.shape is not None and (schema := _schema(prompt.shape, losses)) is not None:
        config["format"] = {"type": "json_schema", "schema": schema}
    return config


def _schema(shape: Shape, losses: Losses) -> Json | None:
    """OpenAI describes a schema from outside, JSON schema from inside."""
    if shape.kind != "json_schema":
        losses.lose("response_format", f"Anthropic cannot promise {shape.kind}; give a json_schema")
        return None
    if shape.schema is None:
        raise refusal("response_format.json_schema.schema", "a json_schema format needs its schema")
    return {"description": shape.description} | shape.schema if shape.description else shape.schema


def _handling(handling: Handling, losses: Losses) -> Json:
    for name in HINTS:
        if getattr(handling, name) is not None:
            losses.drop(name)
    if handling.store:
        losses.drop("store")
    members: Json = {"metadata": {"user_id": handling.user}} if handling.user else {}
    tier = handling.service_tier
    if tier is not None and tier in TIERS:
        members["service_tier"] = TIERS[tier]
    elif tier is not None:
        losses.drop("service_tier")
    return members
