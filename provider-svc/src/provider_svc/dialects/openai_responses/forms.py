"""How the parts of an answer come as events: what begins each kind, what carries its pieces, and what ends it."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from provider_svc.dialects.openai_responses.output import annotations, summary, write_content
from provider_svc.dialects.prompt import Json
from provider_svc.dialects.said import SaidPart

Told = tuple[str, Json]  # an event's type, and its members but for that and its number


class Item(NamedTuple):
    """An item on its way; the last of its parts is open. `number` is its place in the output."""

    id: str
    number: int
    parts: list[SaidPart]

    @property
    def part(self) -> SaidPart:
        """The open one."""
        return self.parts[-1]


class Form(NamedTuple):
    """`delta` is the type of the events that bring pieces, and `place` says where these belong."""

    delta: bytes
    place: Callable[[Item], Json]
    begin: Callable[[Item], Iterable[Told]]
    end: Callable[[Item], Iterable[Told]]


def _of_item(item: Item) -> Json:
    return {"item_id": item.id, "output_index": item.number}


def _of_content(item: Item) -> Json:
    return {**_of_item(item), "content_index": len(item.parts) - 1}


def _of_summary(item: Item) -> Json:
    """A reasoning item has one."""
    return {**_of_item(item), "summary_index": 0}


def _nothing(_: Item) -> Iterable[Told]:
    return ()


def _begin_content(item: Item) -> Iterable[Told]:
    yield "response.content_part.added", {**_of_content(item), "part": write_content(item.part)}


def _end_text(item: Item) -> Iterable[Told]:
    place, whole = _of_content(item), write_content(item.part)
    for number, annotation in enumerate(annotations(item.part)):
        members = {**place, "annotation_index": number, "annotation": annotation}
        yield "response.output_text.annotation.added", members
    yield "response.output_text.done", {**place, "text": whole["text"], "logprobs": whole["logprobs"]}
    yield "response.content_part.done", {**place, "part": whole}


def _end_refusal(item: Item) -> Iterable[Told]:
    place, whole = _of_content(item), write_content(item.part)
    yield "response.refusal.done", {**place, "refusal": whole["refusal"]}
    yield "response.content_part.done", {**place, "part": whole}


def _begin_summary(item: Item) -> Iterable[Told]:
    yield "response.reasoning_summary_part.added", {**_of_summary(item), "part": summary("")}


def _end_summary(item: Item) -> Iterable[Told]:
    place, text = _of_summary(item), item.part.text
    yield "response.reasoning_summary_text.done", {**place, "text": text}
    yield "response.reasoning_summary_part.done", {**place, "part": summary(text)}


def _end_call(item: Item) -> Iterable[Told]:
    members = {**_of_item(item), "name": item.part.name, "arguments": item.part.text}
    yield "response.function_call_arguments.done", members


def _end_custom_call(item: Item) -> Iterable[Told]:
    yield "response.custom_tool_call_input.done", {**_of_item(item), "input": item.part.text}


FORMS: Mapping[str, Form] = {
    "text": Form(b"response.output_text.delta", _of_content, _begin_content, _end_text),
    "refusal": Form(b"response.refusal.delta", _of_content, _begin_content, _end_refusal),
    "thinking": Form(b"response.reasoning_summary_text.delta", _of_summary, _begin_summary, _end_summary),
    "redacted": Form(b"response.reasoning_summary_text.delta", _of_summary, _nothing, _nothing),
    "call": Form(b"response.function_call_arguments.delta", _of_item, _nothing, _end_call),
    "custom_call": Form(b"response.custom_tool_call_input.delta", _of_item, _nothing, _end_custom_call),
}
