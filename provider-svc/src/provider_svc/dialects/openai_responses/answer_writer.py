"""Steps as a stream of Responses events.

An item stays open until the next one begins or the answer stops: texts in a row make one message, and an item that the answer's end
cut short is told of as incomplete.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from chassis.errors import Reason, RunestoneError
from provider_svc.dialects import steps
from provider_svc.dialects.dialect import Asked
from provider_svc.dialects.openai_responses.envelope import INCOMPLETE, Envelope
from provider_svc.dialects.openai_responses.forms import FORMS, Form, Item, Told
from provider_svc.dialects.openai_responses.logprobs import write_logprobs
from provider_svc.dialects.openai_responses.output import NOTHING, SPOKEN, Status, begin_item, item_id, write_item
from provider_svc.dialects.prompt import Json
from provider_svc.dialects.said import SaidPart
from provider_svc.dialects.steps import Step
from runestone.common.v1.usage_pb2 import Usage

_encode = msgspec.json.encode


class ResponsesWriter:
    """One client's answer."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._number = 0
        self._begun: Envelope | None = None
        self._open: Item | None = None
        self._output: list[Json] = []
        self._before = self._behind = b""
        self._reason: steps.Reason | None = None
        self._usage: Usage | None = None

    def write(self, step: Step) -> Iterable[bytes]:
        """See `AnswerWriter.write`. Raises PROVIDER_INVALID_ANSWER for a step that cannot stand where it does."""
        return list(_WRITERS[type(step)](self, step))

    @property
    def _envelope(self) -> Envelope:
        if self._begun is None:
            raise _invalid("does not begin")
        return self._begun

    @property
    def _item(self) -> Item:
        if self._open is None:
            raise _invalid("goes on with a part that it did not begin")
        return self._open

    def _begin(self, step: steps.Start) -> Iterable[bytes]:
        self._begun = Envelope(self._asked, id=step.id, model=step.model, created=step.created)
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, {"response": self._begun.begun()})

    def _open_text(self, step: steps.OpenText) -> Iterable[bytes]:
        return self._open_part(SaidPart(kind="refusal" if step.is_refusal else "text"))

    def _open_thinking(self, step: steps.OpenThinking) -> Iterable[bytes]:
        return self._open_part(SaidPart(kind="redacted" if step.is_redacted else "thinking", id=step.id))

    def _open_call(self, step: steps.OpenCall) -> Iterable[bytes]:
        return self._open_part(SaidPart(kind="custom_call" if step.is_custom else "call", id=step.id, name=step.name))

    def _open_part(self, part: SaidPart) -> Iterable[bytes]:
        item = self._open
        if item is not None and part.kind in SPOKEN and item.part.kind in SPOKEN:
            item.parts.append(part)
        else:
            yield from self._finish_item("completed")
            number = len(self._output)
            item = self._open = Item(item_id(self._envelope.id, number, part), number, [part])
            members = {"output_index": number, "item": begin_item(item.id, part)}
            yield self._event("response.output_item.added", members)
        form = FORMS[part.kind]
        yield from self._tell(form.begin(item))
        self._frame_deltas(item, form)

    def _frame_deltas(self, item: Item, form: Form) -> None:
        """What stands around every delta of a part but its number, its text and its tokens: encoded once."""
        self._before = b'event: %b\ndata: {"type":"%b","sequence_number":' % (form.delta, form.delta)
        self._behind = b',%b,"delta":' % _encode(form.place(item))[1:-1]

    def _grow(self, step: steps.Grow) -> Iterable[bytes]:
        part = self._item.part
        part.pieces.append(step.text)
        tail = b"}\n\n"
        if part.kind == "text":
            logprobs = step.logprobs or ()
            part.logprobs.extend(logprobs)
            tail = b',"logprobs":%b}\n\n' % _encode(write_logprobs(logprobs))
        yield b"%b%d%b%b%b" % (self._before, self._next_number(), self._behind, _encode(step.text), tail)

    def _cite(self, step: steps.Cite) -> Iterable[bytes]:
        """A source is told of when its text is whole: only then it is known how long that is."""
        self._item.part.sources.append(step)
        return ()

    def _close(self, step: steps.Close) -> Iterable[bytes]:
        part = self._item.part
        part.seal, part.sealed_by = step.seal, step.sealed_by
        if part.kind == "call" and not part.pieces:
            yield from self._grow(steps.Grow(NOTHING))
        yield from self._tell(FORMS[part.kind].end(self._item))

    def _finish_item(self, status: Status) -> Iterable[bytes]:
        if self._open is not None:
            item, self._open = self._open, None
            self._output.append(write_item(item.id, item.parts, status))
            members = {"output_index": item.number, "item": self._output[-1]}
            yield self._event("response.output_item.done", members)

    def _count(self, step: steps.Count) -> Iterable[bytes]:
        self._usage = step.usage
        return ()

    def _stop(self, step: steps.Stop) -> Iterable[bytes]:
        """Why something was held back is a refusal to the client."""
        self._reason = step.reason
        if step.words:
            yield from self._open_text(steps.OpenText(is_refusal=True))
            yield from self._grow(steps.Grow(step.words))
            yield from self._close(steps.Close())
        yield from self._finish_item("incomplete" if step.reason in INCOMPLETE else "completed")

    def _end(self, _: steps.End) -> Iterable[bytes]:
        ended = self._envelope.ended(self._output, self._reason, self._usage)
        yield self._event(f"response.{ended['status']}", {"response": ended})

    def _tell(self, told: Iterable[Told]) -> Iterable[bytes]:
        return [self._event(kind, members) for kind, members in told]

    def _event(self, kind: str, members: Json) -> bytes:
        data = _encode({"type": kind, "sequence_number": self._next_number(), **members})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)

    def _next_number(self) -> int:
        number = self._number
        self._number += 1
        return number


def _invalid(what: str) -> RunestoneError:
    return RunestoneError(Reason.PROVIDER_INVALID_ANSWER, f"the provider's answer {what}", upstream_status=200)


_WRITERS: Mapping[type[Step], Callable[[ResponsesWriter, Any], Iterable[bytes]]] = {
    steps.Start: ResponsesWriter._begin,  # noqa: SLF001  the machine's own steps
    steps.OpenText: ResponsesWriter._open_text,  # noqa: SLF001
    steps.OpenThinking: ResponsesWriter._open_thinking,  # noqa: SLF001
    steps.OpenCall: ResponsesWriter._open_call,  # noqa: SLF001
    steps.Grow: ResponsesWriter._grow,  # noqa: SLF001
    steps.Cite: ResponsesWriter._cite,  # noqa: SLF001
    steps.Close: ResponsesWriter._close,  # noqa: SLF001
    steps.Count: ResponsesWriter._count,  # noqa: SLF001
    steps.Stop: ResponsesWriter._stop,  # noqa: SLF001
    steps.End: ResponsesWriter._end,  # noqa: SLF001
}
