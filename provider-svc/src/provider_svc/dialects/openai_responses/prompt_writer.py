"""A prompt as a Responses body, for OpenAI itself."""

from collections.abc import Mapping

from provider_svc.dialects.losses import Losses
from provider_svc.dialects.openai_responses.item_writer import write_input
from provider_svc.dialects.openai_responses.prompt_reader import LOGPROBS, SEALS
from provider_svc.dialects.openai_responses.tools import write_choice, write_tools
from provider_svc.dialects.prompt import Handling, Json, Prompt, Reasoning, Sampling, Shape, Text

LEAST_TOKENS = 16  # OpenAI refuses a smaller `max_output_tokens`
LONGEST_USER = 128  # characters of a `safety_identifier`
MOST_LABELS, LONGEST_LABEL, LONGEST_VALUE = 16, 64, 512  # of `metadata`; characters

EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
RETENTIONS = frozenset({"in_memory", "24h"})

# The effort that up to so many tokens of thinking come near to; above the last it is high.
BUDGETS: tuple[tuple[int, str], ...] = ((4_096, "low"), (16_384, "medium"))

# What of sampling OpenAI's Responses have no word for, and the values (besides None) that ask for nothing.
UNSAYABLE: Mapping[str, object] = {
    "stop": (),
    "top_k": None,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "seed": None,
}


def write_prompt(prompt: Prompt, losses: Losses) -> dict[str, object]:
    """See `WritePrompt`. Nothing is left at the provider unless the client asks for it."""
    tools: Json = {"tools": write_tools(prompt.tools, losses)} if prompt.tools else {}
    members: dict[str, object | None] = {
        "instructions": _write_system(prompt.system, losses),
        "input": write_input(prompt.turns, losses),
        **tools,
        "tool_choice": None if prompt.choice is None else write_choice(prompt.choice),
        "parallel_tool_calls": prompt.parallel,
        "text": _write_text(prompt.shape, prompt.sampling.verbosity),
        "reasoning": _write_reasoning(prompt.reasoning, losses),
        "include": _write_include(prompt),
        **_write_sampling(prompt.sampling, losses),
        **_write_handling(prompt.handling, losses),
    }
    return {name: value for name, value in members.items() if value is not None}


def _write_system(system: tuple[Text, ...], losses: Losses) -> str | None:
    if any(text.cache is not None for text in system):
        losses.drop("system.cache_control")
    return "\n\n".join(text.text for text in system) if system else None


def _write_text(shape: Shape | None, verbosity: str | None) -> Json | None:
    text: Json = {}
    if shape is not None:
        text["format"] = _write_shape(shape)
    if verbosity is not None:
        text["verbosity"] = verbosity
    return text or None


def _write_shape(shape: Shape) -> Json:
    if shape.kind == "json_object":
        return {"type": "json_object"}
    written: Json = {"type": "json_schema", "name": shape.name or "answer", "schema": shape.schema or {}}
    if shape.description is not None:
        written["description"] = shape.description
    if shape.is_strict is not None:
        written["strict"] = shape.is_strict
    return written


def _write_reasoning(reasoning: Reasoning, losses: Losses) -> Json | None:
    written: Json = {}
    if (effort := _effort(reasoning, losses)) is not None:
        written["effort"] = effort
    if reasoning.summary is not None:
        written["summary"] = reasoning.summary
    return written or None


def _effort(reasoning: Reasoning, losses: Losses) -> str | None:
    if reasoning.is_enabled is False:
        return "none"
    if reasoning.budget is not None:
        losses.drop("reasoning.budget")  # its tokens: the effort comes near
    if reasoning.effort in EFFORTS:
        return reasoning.effort
    if reasoning.effort is not None:
        losses.lose("reasoning.effort", f"OpenAI's efforts are {', '.join(sorted(EFFORTS))}")
    if reasoning.budget is None:
        return None
    return next((effort for most, effort in BUDGETS if reasoning.budget <= most), "high")


def _write_include(prompt: Prompt) -> list[str] | None:
    """Thoughts come back sealed, so that the client can hand them in again: OpenAI keeps nothing."""
    reasoning = prompt.reasoning
    is_reasoning = reasoning.is_enabled or reasoning.effort or reasoning.budget or reasoning.summary
    include = [SEALS] if is_reasoning and reasoning.is_enabled is not False else []
    if prompt.sampling.logprobs:
        include.append(LOGPROBS)
    return include or None


def _write_sampling(sampling: Sampling, losses: Losses) -> dict[str, object | None]:
    for name, neutral in UNSAYABLE.items():
        value = getattr(sampling, name)
        if value is not None and value != neutral:
            losses.lose(name, f"OpenAI's Responses have no {name}; leave it out, or ask a model that has it")
    most = sampling.max_tokens
    if most is not None and most < LEAST_TOKENS:  # a little longer than asked for, but the same so far
        losses.drop("max_tokens")
        most = LEAST_TOKENS
    return {
        "max_output_tokens": most,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_logprobs": sampling.top_logprobs if sampling.logprobs else None,
    }


def _write_handling(handling: Handling, losses: Losses) -> dict[str, object | None]:
    """What OpenAI would refuse the whole question for is left out: it changes no answer."""
    known = {
        "safety_identifier": (handling.user, len(handling.user or "") <= LONGEST_USER),
        "metadata": (handling.metadata, _are_labels(handling.metadata or {})),
        "service_tier": (handling.service_tier, handling.service_tier in TIERS),
        "prompt_cache_key": (handling.prompt_cache_key, True),
        "prompt_cache_retention": (handling.prompt_cache_retention, handling.prompt_cache_retention in RETENTIONS),
    }
    members: dict[str, object | None] = {"store": bool(handling.store)}
    for name, (value, is_taken) in known.items():
        if value is not None and not is_taken:
            losses.drop(name)
        else:
            members[name] = value
    return members


def _are_labels(metadata: Json) -> bool:
    return len(metadata) <= MOST_LABELS and all(
        len(name) <= LONGEST_LABEL and isinstance(value, str) and len(value) <= LONGEST_VALUE
        for name, value in metadata.items()
    )
