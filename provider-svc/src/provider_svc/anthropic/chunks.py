"""OpenAI's chat completion chunks as server-sent events."""

import msgspec

from provider_svc.anthropic.content import Json
from provider_svc.anthropic.usage import usage_block
from runestone.common.v1.usage_pb2 import Usage

DONE = b"data: [DONE]\n\n"


class ChunkWriter:
    """Writes one stream's chunks; what they all share is encoded once.

    With `include_usage` every chunk but the last says `"usage": null`, as OpenAI's do.
    """

    def __init__(self, completion: str, model: str, created: int, *, include_usage: bool) -> None:
        shared = {"id": completion, "object": "chat.completion.chunk", "created": created, "model": model}
        self._begin = b"data: " + msgspec.json.encode(shared)[:-1] + b',"choices":['
        self._end = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"

    def delta(self, delta: Json, finish_reason: str | None = None) -> bytes:
        """A chunk with one choice."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._begin + msgspec.json.encode(choice) + self._end

    def call(self, number: int, function: Json, *, call_id: str | None = None) -> bytes:
        """A piece of the `number`-th tool call; its first one has the id."""
        call: Json = {"index": number}
        if call_id is not None:
            call |= {"id": call_id, "type": "function"}
        return self.delta({"tool_calls": [call | {"function": function}]})

    def usage(self, usage: Usage) -> bytes:
        """The chunk without choices that tells the whole call's tokens."""
        return self._begin + b'],"usage":' + msgspec.json.encode(usage_block(usage)) + b"}\n\n"
