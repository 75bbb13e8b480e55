"""A chat completions body as a neutral prompt."""

from provider_svc.dialects.dialect import Members
from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.openai_chat.conversation_reader import read_conversation
from provider_svc.dialects.openai_chat.members import read_members
from provider_svc.dialects.openai_chat.schema import Request
from provider_svc.dialects.openai_chat.tool_reader import read_choice, read_parallel, read_tools
from provider_svc.dialects.prompt import Handling, Prompt, Reasoning, Sampling, Shape

EFFORTS = frozenset({"minimal", "low", "medium", "high", "xhigh", "max"})

# Members that are called the same in a neutral prompt.
_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "seed",
    "verbosity",
)
_HANDLING = ("metadata", "service_tier", "store", "prompt_cache_key", "prompt_cache_retention")


def read_prompt(members: Members, losses: Losses) -> Prompt:
    """See `dialect.ReadPrompt`."""
    request = read_members(members, losses)
    _check_one_answer(request)
    if request.stream_options is not None and request.stream_options.include_obfuscation:
        losses.drop("stream_options.include_obfuscation")
    system, turns = read_conversation(request.messages, losses)
    return Prompt(
        turns=turns,
        system=system,
        tools=read_tools(request, losses),
        choice=read_choice(request, losses),
        parallel=read_parallel(request),
        shape=_read_shape(request, losses),
        reasoning=_read_reasoning(request.reasoning_effort),
        sampling=_read_sampling(request),
        handling=_read_handling(request),
    )


def _check_one_answer(request: Request) -> None:
    """Answers are translated one at a time; fewer than asked for are not what was asked."""
    if request.n not in {None, 1}:
        raise refusal("n", "n must be 1 where the call is translated for its target; ask n times")


def _read_shape(request: Request, losses: Losses) -> Shape | None:
    asked = request.response_format
    if asked is None or asked.type == "text":
        return None
    if asked.type == "json_object":
        return Shape(kind="json_object")
    if asked.type != "json_schema":
        losses.lose("response_format", f"the target cannot promise {asked.type}; give a json_schema")
        return None
    described = asked.json_schema
    if described is None:
        raise refusal("response_format.json_schema", "a json_schema format needs its json_schema")
    return Shape(
        kind="json_schema",
        name=described.name,
        schema=described.schema,
        description=described.description,
        is_strict=described.strict,
    )


def _read_reasoning(effort: str | None) -> Reasoning:
    if effort is None:
        return Reasoning()
    if effort == "none":
        return Reasoning(is_enabled=False)
    if effort not in EFFORTS:
        raise refusal("reasoning_effort", "reasoning_effort is none, minimal, low, medium, high, xhigh or max")
    return Reasoning(effort=effort)


def _read_sampling(request: Request) -> Sampling:
    stop = request.stop
    return Sampling(
        max_tokens=_read_bound(request),
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        **{name: getattr(request, name) for name in _SAMPLING},
    )


def _read_bound(request: Request) -> int | None:
    """`max_completion_tokens` took over from `max_tokens`."""
    for name in ("max_completion_tokens", "max_tokens"):
        bound: int | None = getattr(request, name)
        if bound is not None:
            if bound < 1:
                raise refusal(name, f"{name} must be at least 1")
            return bound
    return None


def _read_handling(request: Request) -> Handling:
    """`safety_identifier` took over from `user`."""
    user = request.safety_identifier or request.user
    return Handling(user=user, **{name: getattr(request, name) for name in _HANDLING})
