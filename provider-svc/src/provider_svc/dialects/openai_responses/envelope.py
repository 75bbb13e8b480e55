"""The `response` object around an answer: what the client asked for, as OpenAI says it again, and what came of it."""

from collections.abc import Mapping

import msgspec

from provider_svc.dialects.dialect import Asked
from provider_svc.dialects.openai_responses.usage import write_usage
from provider_svc.dialects.prompt import Json
from provider_svc.dialects.steps import Reason
from runestone.common.v1.usage_pb2 import Usage

# The client's members that an answer says again, with what stands for those that it left out. What the model made of the open ones
# (null) only the model knows.
ECHOED: Mapping[str, object] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": None,
    "user": None,
}

# What is so for every answer: none is kept, and none runs in the background.
ALWAYS: Json = {"background": False, "previous_response_id": None, "store": False, "truncation": "disabled"}

# What a tool has that says nothing of it.
UNSAID: Mapping[str, Json] = {"function": {"description": None, "parameters": None, "strict": None}, "custom": {}}

# Why an answer is incomplete, in OpenAI's words; one that ends otherwise is whole.
INCOMPLETE: Mapping[Reason, str] = {"length": "max_output_tokens", "filter": "content_filter"}

_NULL = b"null"
_tools = msgspec.json.Decoder(list[Json])


class Envelope:
    """What stands around one answer. `created` is in seconds since the epoch, None where the provider did not say."""

    def __init__(self, asked: Asked, *, id: str, model: str, created: int | None) -> None:  # noqa: A002  OpenAI's word
        at = asked.created if created is None else created
        self.id = response_id(id, at)
        self._head: Json = {"id": self.id, "object": "response", "created_at": at, "model": model, **ALWAYS}
        self._head |= {name: _echo(asked, name, unsaid) for name, unsaid in ECHOED.items()}
        self._head["tools"] = msgspec.Raw(msgspec.json.encode(_echo_tools(asked)))

    def begun(self) -> Json:
        """The answer before anything has come of it."""
        return {
            **self._head,
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "output": [],
            "usage": None,
        }

    def ended(self, output: list[Json], reason: Reason | None, usage: Usage | None) -> Json:
        """The whole answer."""
        why = INCOMPLETE.get(reason) if reason is not None else None
        return {
            **self._head,
            "status": "completed" if why is None else "incomplete",
            "error": None,
            "incomplete_details": None if why is None else {"reason": why},
            "output": output,
            "usage": None if usage is None else write_usage(usage),
        }


def response_id(id: str, created: int) -> str:  # noqa: A002
    """The id of an answer: the provider's, as OpenAI's begin; of one that has none, when it was."""
    return id if id.startswith("resp_") else f"resp_{id or format(created, 'x')}"


def _echo(asked: Asked, name: str, unsaid: object) -> object:
    said = asked.members.get(name)
    return unsaid if said is None or bytes(said) == _NULL else said


def _echo_tools(asked: Asked) -> list[Json]:
    """The tools, with all members that OpenAI's have; those that only OpenAI has were not there to be called."""
    said = asked.members.get("tools")
    if said is None or bytes(said) == _NULL:
        return []
    tools = [(UNSAID.get(str(tool.get("type"))), tool) for tool in _tools.decode(said)]
    return [{**unsaid, **tool} for unsaid, tool in tools if unsaid is not None]
