"""The output items of an answer, out of its parts: texts and refusals that stand together make one message, everything else is an
item of its own."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Literal

from provider_svc.dialects.openai_responses.logprobs import write_logprobs
from provider_svc.dialects.prompt import Json
from provider_svc.dialects.said import SaidPart
from provider_svc.dialects.seals import wrap

Status = Literal["in_progress", "completed", "incomplete"]

NOTHING = "{}"  # what a function is given that is given nothing: clients read JSON
SPOKEN = frozenset({"text", "refusal"})  # the kinds of parts that messages are made of

# How the ids of an item begin, by the kind of its parts: OpenAI refuses others.
PREFIXES: Mapping[str, str] = {
    "text": "msg",
    "refusal": "msg",
    "thinking": "rs",
    "redacted": "rs",
    "call": "fc",
    "custom_call": "ctc",
}


def group(parts: Iterable[SaidPart]) -> list[list[SaidPart]]:
    """The parts of each item."""
    grouped = groupby(enumerate(parts), lambda numbered: -1 if numbered[1].kind in SPOKEN else numbered[0])
    return [[part for _, part in numbered] for _, numbered in grouped]


def item_id(answer: str, index: int, first: SaidPart) -> str:
    """The id of an item: its own where OpenAI gave it one, else the answer's with the item's place in it."""
    prefix = PREFIXES[first.kind]
    if prefix == "rs" and first.id.startswith("rs_"):
        return first.id
    return f"{prefix}_{answer.removeprefix('resp_')}_{index}"


def write_item(id: str, parts: list[SaidPart], status: Status) -> Json:  # noqa: A002  OpenAI's word
    """One item, as far as its parts have come."""
    first = parts[0]
    match first.kind:
        case "text" | "refusal":
            content = [write_content(part) for part in parts]
            return {"type": "message", "id": id, "status": status, "role": "assistant", "content": content}
        case "thinking" | "redacted":
            return _write_reasoning(id, first)
        case "call":
            given = {"call_id": first.id, "name": first.name, "arguments": first.text}
            return {"type": "function_call", "id": id, "status": status, **given}
        case "custom_call":
            return {"type": "custom_tool_call", "id": id, "call_id": first.id, "name": first.name, "input": first.text}


def begin_item(id: str, first: SaidPart) -> Json:  # noqa: A002
    """An item of which nothing has come."""
    item = write_item(id, [first], "in_progress")
    return item | {name: [] for name in ("content", "summary") if name in item}


def _write_reasoning(id: str, part: SaidPart) -> Json:  # noqa: A002
    """Redacted thoughts have no summary; others have one, though it be empty: so they are known when they come back."""
    item: Json = {"type": "reasoning", "id": id, "summary": [] if part.kind == "redacted" else [summary(part.text)]}
    if part.seal:
        item["encrypted_content"] = wrap(part.seal, part.sealed_by, "openai")
    return item


def summary(text: str) -> Json:
    """What was thought."""
    return {"type": "summary_text", "text": text}


def write_content(part: SaidPart) -> Json:
    """One part of a message."""
    if part.kind == "refusal":
        return {"type": "refusal", "refusal": part.text}
    return {
        "type": "output_text",
        "text": part.text,
        "annotations": annotations(part),
        "logprobs": write_logprobs(part.logprobs),
    }


def annotations(part: SaidPart) -> list[Json]:
    """The sources of a text, each of all of it: which words it is the source of is not told."""
    size = len(part.text) if part.sources else 0
    return [
        {"type": "url_citation", "url": source.url, "title": source.title, "start_index": 0, "end_index": size}
        for source in part.sources
    ]
