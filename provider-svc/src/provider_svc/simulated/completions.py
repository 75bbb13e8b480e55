"""Simulated Completions: an echo of the prompt, then words that follow from it."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
import orjson

from provider_svc.openai.request import wants_usage
from provider_svc.simulated.played import DONE, Asked, Json, Played, make_id, write_event
from provider_svc.simulated.request import digest, read_body, refused
from provider_svc.simulated.words import compose
from runestone.common.v1.usage_pb2 import Usage


class Request(msgspec.Struct):
    """A request for a completion."""

    prompt: str | list[str]
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    n: int | None = None


_decode = msgspec.json.Decoder(Request).decode


def play_completion(asked: Asked) -> Played:
    """One choice. Raises PROVIDER_REFUSED with what is wrong with the request."""
    request = read_body(_decode, asked.members)
    prompts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
    if len(prompts) != 1 or request.n not in {None, 1}:
        raise refused("the simulated provider completes one prompt, once", "prompt")
    words = prompts[0].split()
    most = min(asked.words, request.max_tokens or asked.words)
    said = compose(words, most, digest(asked.members))
    usage = Usage(input_tokens=len(words), output_tokens=len(said))
    reason = "length" if most < asked.words else "stop"
    head: Json = {
        "id": make_id("cmpl", asked.call.call_id),
        "object": "text_completion",
        "created": asked.created,
        "model": asked.call.model,
    }
    parts = (
        list(_write_events(head, said, reason, usage, with_usage=wants_usage(asked.members)))
        if asked.call.stream
        else [orjson.dumps({**head, "choices": [_choice(" ".join(said), reason)], "usage": _count(usage)})]
    )
    return Played(str(head["id"]), parts, usage, reason)


def _write_events(head: Json, said: list[str], reason: str, usage: Usage, *, with_usage: bool) -> Iterator[bytes]:
    for index, word in enumerate(said):
        is_last = index == len(said) - 1
        yield write_event({**head, "choices": [_choice(f" {word}" if index else word, reason if is_last else None)]})
    if with_usage:
        yield write_event({**head, "choices": [], "usage": _count(usage)})
    yield DONE


def _choice(text: str, reason: str | None) -> Json:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}


def _count(usage: Usage) -> Json:
    total = usage.input_tokens + usage.output_tokens
    return {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens, "total_tokens": total}
