"""An OpenAI chat completions body as the body of Anthropic's `POST /v1/messages`."""

from collections.abc import Mapping

import msgspec

from provider_svc.anthropic.chat_schema import ChatRequest, JsonSchema
from provider_svc.anthropic.content import Json
from provider_svc.anthropic.conversation import read_conversation
from provider_svc.anthropic.members import read_request, refusal
from provider_svc.anthropic.tools import tool_members

# Anthropic requires a bound, OpenAI does not; an answer that meets this one says finish_reason "length".
DEFAULT_MAX_TOKENS = 4096

EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})


def messages_body(members: Mapping[str, msgspec.Raw], *, model: str, stream: bool) -> bytes:
    """The JSON to send. Members that make no difference at OpenAI's default are left out.

    Raises INVALID_REQUEST with the member's path for what cannot be carried without changing what was asked.
    """
    request = read_request(members)
    conversation = read_conversation(request.messages)
    body: Json = {"model": model, "max_tokens": _max_tokens(request), "stream": stream}
    if conversation.system:
        body["system"] = conversation.system
    body["messages"] = conversation.turns
    return _encode(body | tool_members(request) | _sampling(request) | _output(request) | _caller(request))


def _encode(body: Json) -> bytes:
    """A client's arguments, which come as a string, may be as deep as a body may; inside a body they are deeper."""
    try:
        return msgspec.json.encode(body)
    except RecursionError as wrong:
        raise refusal("messages", "the request is nested too deeply") from wrong


def _max_tokens(request: ChatRequest) -> int:
    for name in ("max_completion_tokens", "max_tokens"):
        bound: int | None = getattr(request, name)
        if bound is not None:
            if bound < 1:  # 0 would warm Anthropic's prompt cache and answer nothing
                raise refusal(name, f"{name} must be at least 1")
            return bound
    return DEFAULT_MAX_TOKENS


def _sampling(request: ChatRequest) -> Json:
    """1 is the default of both makers, and models that take no sampling members take it only unsaid."""
    sampling: Json = {}
    for name in ("temperature", "top_p"):
        value: float | None = getattr(request, name)
        if value is not None and not 0 <= value <= 1:
            raise refusal(name, f"Anthropic takes a {name} between 0 and 1")
        if value not in {None, 1.0}:
            sampling[name] = value
    if request.stop:
        sampling["stop_sequences"] = [request.stop] if isinstance(request.stop, str) else request.stop
    return sampling


def _output(request: ChatRequest) -> Json:
    """`output_config` (https://docs.claude.com/en/docs/build-with-claude/structured-outputs and .../effort)."""
    config: Json = {}
    members: Json = {}
    if request.reasoning_effort == "none":
        members["thinking"] = {"type": "disabled"}
    elif request.reasoning_effort is not None:
        config["effort"] = _effort(request.reasoning_effort)
        members["thinking"] = {"type": "adaptive"}
    schema = _answer_schema(request)
    if schema is not None:
        config["format"] = {"type": "json_schema", "schema": schema}
    return members | {"output_config": config} if config else members


def _effort(effort: str) -> str:
    if effort not in EFFORTS:
        raise refusal("reasoning_effort", f"Anthropic has no effort {effort}; it has low, medium, high, xhigh and max")
    return effort


def _answer_schema(request: ChatRequest) -> Json | None:
    asked = request.response_format
    if asked is None or asked.type == "text":
        return None
    if asked.type != "json_schema" or asked.json_schema is None:
        raise refusal("response_format", f"Anthropic cannot promise {asked.type}; give a json_schema")
    return _described(asked.json_schema)


def _described(asked: JsonSchema) -> Json:
    """OpenAI describes a schema from outside, JSON schema from inside."""
    if asked.schema is None:
        raise refusal("response_format.json_schema.schema", "a json_schema format needs its schema")
    return {"description": asked.description} | asked.schema if asked.description else asked.schema


def _caller(request: ChatRequest) -> Json:
    """OpenAI's `safety_identifier` took over from `user`; both mean what Anthropic's user_id does."""
    caller = request.safety_identifier or request.user
    return {"metadata": {"user_id": caller}} if caller else {}
