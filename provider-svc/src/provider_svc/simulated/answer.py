"""One simulated answer, and its two shapes: a chat completion, or the events of a stream."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import orjson

from provider_svc.openai.request import wants_usage
from provider_svc.simulated.arguments import example
from provider_svc.simulated.played import DONE, Asked, Json, Played, make_id, write_event
from provider_svc.simulated.request import Request, read_request
from provider_svc.simulated.words import compose
from runestone.common.v1.usage_pb2 import Usage

_OVERHEAD_TOKENS = 3  # what a message's frame costs in the makers' tokenizers


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model says. A token is a word (for a function call: four bytes of its arguments), an approximation that
    needs no tokenizer; each message of the request costs three more."""

    id: str
    created: int
    model: str
    words: list[str]
    function: str = ""
    arguments: str = ""
    finish_reason: Literal["stop", "length", "tool_calls"]
    input_tokens: int
    output_tokens: int

    @property
    def usage(self) -> Usage:
        """The usage as the mesh counts."""
        return Usage(input_tokens=self.input_tokens, output_tokens=self.output_tokens)


def play_chat(asked: Asked) -> Played:
    """A chat completion, or the events of one. Raises PROVIDER_REFUSED with what is wrong with the request."""
    call = asked.call
    request, digest = read_request(call.members)
    said = answer(request, digest, call_id=call.call_id, model=call.model, created=asked.created, words=asked.words)
    parts = list(write_events(said, with_usage=wants_usage(call.members))) if call.stream else [write_document(said)]
    return Played(said.id, parts, said.usage, said.finish_reason)


def answer(request: Request, digest: bytes, *, call_id: str, model: str, created: int, words: int) -> Answer:
    """The answer to `request`: a function call where one is forced, else `words` words, or as many as the limit allows.

    `created` is in seconds since the epoch; the id follows from the call's.
    """
    begin = partial(
        Answer,
        id=make_id("chatcmpl", call_id),
        created=created,
        model=model,
        input_tokens=request.count_words() + _OVERHEAD_TOKENS * len(request.messages),
    )
    if (function := request.find_forced_function()) is not None:
        arguments = orjson.dumps(example(function.parameters)).decode()
        tokens = 1 + len(arguments) // 4
        return begin(
            words=[], function=function.name, arguments=arguments, finish_reason="tool_calls", output_tokens=tokens
        )
    most = min(words, request.token_limit or words)
    text = compose(request.last_words, most, digest)
    return begin(words=text, finish_reason="length" if most < words else "stop", output_tokens=len(text))


def write_document(said: Answer) -> bytes:
    """The answer as one chat completion."""
    message: Json = {
        "role": "assistant",
        "content": " ".join(said.words) if not said.function else None,
        "refusal": None,
    }
    if said.function:
        message["tool_calls"] = [_tool_call(said, said.arguments)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish_reason}
    return orjson.dumps({**_head(said, "chat.completion"), "choices": [choice], "usage": _usage(said)})


def write_events(said: Answer, *, with_usage: bool) -> Iterator[bytes]:
    """The answer as SSE events: the role first, a word or a part of the call in each, the finish, usage when it is wanted,
    `[DONE]`."""
    head = _head(said, "chat.completion.chunk")

    def event(delta: Json, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk: Json = {**head, "choices": [choice], "usage": None} if with_usage else {**head, "choices": [choice]}
        return write_event(chunk)

    yield event({"role": "assistant", "content": None if said.function else "", "refusal": None})
    for delta in _deltas(said):
        yield event(delta)
    yield event({}, said.finish_reason)
    if with_usage:
        yield write_event({**head, "choices": [], "usage": _usage(said)})
    yield DONE


def _deltas(said: Answer) -> Iterator[Json]:
    if said.function:
        yield {"tool_calls": [{"index": 0, **_tool_call(said, "")}]}
        yield {"tool_calls": [{"index": 0, "function": {"arguments": said.arguments}}]}
    for index, word in enumerate(said.words):
        yield {"content": f" {word}" if index else word}


def _head(said: Answer, kind: str) -> Json:
    return {"id": said.id, "object": kind, "created": said.created, "model": said.model}


def _tool_call(said: Answer, arguments: str) -> Json:
    name = {"name": said.function, "arguments": arguments}
    return {"id": f"call_{said.id.removeprefix('chatcmpl-')[:24]}", "type": "function", "function": name}


def _usage(said: Answer) -> Json:
    total = said.input_tokens + said.output_tokens
    return {"prompt_tokens": said.input_tokens, "completion_tokens": said.output_tokens, "total_tokens": total}
