"""Chat completion chunks as server-sent events."""

import msgspec

from provider_svc.dialects.openai_chat.schema import Json
from provider_svc.dialects.openai_chat.usage import write_usage
from runestone.common.v1.usage_pb2 import Usage

DONE = b"data: [DONE]\n\n"

_encode = msgspec.json.encode


class ChunkWriter:
    """Writes one stream's chunks; what they all share is encoded once.

    With `include_usage` every chunk but the last says `"usage": null`, as OpenAI's do.
    """

    def __init__(self, completion: str, model: str, created: int, *, include_usage: bool) -> None:
        shared = {"id": completion, "object": "chat.completion.chunk", "created": created, "model": model}
        self._begin = b"data: " + _encode(shared)[:-1] + b',"choices":['
        self._begin_choice = self._begin + b'{"index":0,"delta":'
        self._end = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"
        self._end_choice = b',"logprobs":null,"finish_reason":null}' + self._end

    def text(self, member: bytes, text: str) -> bytes:
        """A delta of one member, whose name is plain."""
        return b'%b{"%b":%b}%b' % (self._begin_choice, member, _encode(text), self._end_choice)

    def delta(self, delta: Json, finish_reason: str | None = None, logprobs: Json | None = None) -> bytes:
        """A chunk with one choice."""
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        return self._begin + _encode(choice) + self._end

    def usage(self, usage: Usage) -> bytes:
        """The chunk without choices that tells the whole call's tokens."""
        return self._begin + b'],"usage":' + _encode(write_usage(usage)) + b"}\n\n"
