"""A neutral prompt as a chat completions body."""

from provider_svc.dialects.losses import Losses
from provider_svc.dialects.openai_chat.conversation_writer import write_messages
from provider_svc.dialects.openai_chat.schema import Json
from provider_svc.dialects.openai_chat.tool_writer import write_tools
from provider_svc.dialects.prompt import Handling, Prompt, Reasoning, Sampling, Shape

# A budget of thinking tokens is a number at Anthropic and a word here: the first whose bound it does not exceed.
EFFORTS_BY_BUDGET = ((4_096, "low"), (16_384, "medium"))
LARGEST_EFFORT = "high"  # not every model has the larger ones

SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})

# Members that are called the same in a neutral prompt.
_SAMPLING = (
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "seed",
    "verbosity",
)
_HANDLING = ("user", "store", "prompt_cache_key", "prompt_cache_retention")


def write_prompt(prompt: Prompt, losses: Losses) -> dict[str, object]:
    """See `dialect.WritePrompt`."""
    return {
        "messages": write_messages(prompt, losses),
        **write_tools(prompt, losses),
        **_write_shape(prompt.shape),
        **_write_reasoning(prompt.reasoning, losses),
        **_write_sampling(prompt.sampling, losses),
        **_write_handling(prompt.handling, losses),
    }


def _write_shape(shape: Shape | None) -> Json:
    """OpenAI takes no schema without a name; Anthropic's have none."""
    if shape is None:
        return {}
    if shape.kind == "json_object":
        return {"response_format": {"type": "json_object"}}
    said = {"schema": shape.schema, "description": shape.description, "strict": shape.is_strict}
    described = {"name": shape.name or "answer"} | {name: value for name, value in said.items() if value is not None}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def _write_reasoning(reasoning: Reasoning, losses: Losses) -> Json:
    if reasoning.summary is not None:
        losses.drop("reasoning.summary")
    if reasoning.budget is not None:
        losses.drop("thinking.budget_tokens")  # what is left of it is a word
    effort = _find_effort(reasoning)
    return {} if effort is None else {"reasoning_effort": effort}


def _find_effort(reasoning: Reasoning) -> str | None:
    """Thinking that is asked for without a measure is "medium": some models' default is none."""
    if reasoning.is_enabled is False:
        return "none"
    if reasoning.effort is not None:
        return reasoning.effort
    if reasoning.budget is not None:
        return next((word for bound, word in EFFORTS_BY_BUDGET if reasoning.budget <= bound), LARGEST_EFFORT)
    return "medium" if reasoning.is_enabled else None


def _write_sampling(sampling: Sampling, losses: Losses) -> Json:
    if sampling.top_k is not None:
        losses.lose("top_k", "the target draws from all tokens; leave it out, or use top_p")
    members = _present(sampling, _SAMPLING)
    if sampling.max_tokens is not None:
        members["max_completion_tokens"] = sampling.max_tokens
    if sampling.stop:
        members["stop"] = list(sampling.stop)
    return members


def _write_handling(handling: Handling, losses: Losses) -> Json:
    """OpenAI labels what it stores, and refuses labels on anything else; imitators know `user`, and few know its successor."""
    members = _present(handling, _HANDLING)
    if handling.metadata is not None and handling.store:
        members["metadata"] = handling.metadata
    elif handling.metadata is not None:
        losses.drop("metadata")
    if handling.service_tier in SERVICE_TIERS:
        members["service_tier"] = handling.service_tier
    elif handling.service_tier is not None:
        losses.drop("service_tier")
    return members


def _present(values: Sampling | Handling, names: tuple[str, ...]) -> Json:
    return {name: value for name in names if (value := getattr(values, name)) is not None}
