"""All changes of an answer: its redaction first, of all rules at once, then the others in their order."""

from collections.abc import Generator, Iterator, Sequence
from typing import TypeVar

import orjson

from chassis.config.transform.options import TransformOptions, chosen
from chassis.errors import Reason, RunestoneError
from gateway_edge.transform.changes import CHANGES, Document
from gateway_edge.transform.events import is_done, read_data, split_events, with_data
from gateway_edge.transform.facts import Facts
from gateway_edge.transform.headers import HeaderPlan
from gateway_edge.transform.named_redaction import NamedRedaction
from gateway_edge.transform.redaction import PIECE, Redaction
from gateway_edge.transform.stream_redaction import StreamRedaction
from gateway_edge.transform.texts import ARGUMENTS, NO_TEXTS, NO_TEXTS_ANYWHERE, PROGRAMS, find_texts
from gateway_edge.transform.turns import Turns

T = TypeVar("T")

CHOICES = "choices"
NAME = b"event: "
IN_ONE_TURN = 64 << 10  # bytes of events that are changed before others have their turn


class AnswerPlan:
    """What is done to answers: made once of the options. `max_size` bounds, in bytes, what is decoded at once."""

    def __init__(self, options: TransformOptions) -> None:
        given = [entry for change in options.response for entry in chosen(change).items()]
        rules = [said for kind, said in given if kind == "redact"]
        self.headers = HeaderPlan([said for kind, said in given if kind == "header"])
        self.changes = [CHANGES[kind](said) for kind, said in given if kind in CHANGES]
        self.redaction = Redaction(rules) if rules else None
        takes_all = any(rule.in_ == "all" for rule in rules)
        self.skipped = NO_TEXTS if takes_all else NO_TEXTS | {ARGUMENTS}
        self.skipped_anywhere = NO_TEXTS_ANYWHERE if takes_all else NO_TEXTS_ANYWHERE | PROGRAMS
        self.max_size = options.max_answer

    @property
    def reads_documents(self) -> bool:
        """Whether more than headers is changed."""
        return bool(self.changes or self.redaction)

    def change_document(self, body: bytes, facts: Facts) -> Turns[bytes]:
        """A unary answer. Raises PROVIDER_INVALID_ANSWER for one that cannot be read or is too large."""
        document = self.read(body)
        if document is None:
            raise RunestoneError(
                Reason.PROVIDER_INVALID_ANSWER, "the answer is not a JSON object, and cannot be changed"
            )
        if self.redaction is not None:
            yield from self._redact(document, self.redaction)
        self.apply(document, facts)
        return orjson.dumps(document)

    def read(self, data: bytes) -> Document | None:
        """The object that `data` is; None when it is none. Raises PROVIDER_INVALID_ANSWER for one that is too large."""
        if len(data) > self.max_size:
            message = f"the answer has {len(data)} bytes at once; `max_answer` of this pipeline's transform is {self.max_size}"
            raise RunestoneError(Reason.PROVIDER_INVALID_ANSWER, message, code="answer_too_large")
        try:
            document = orjson.loads(data)
        except orjson.JSONDecodeError:
            return None
        return document if isinstance(document, dict) else None

    def apply(self, document: Document, facts: Facts) -> None:
        """Everything but the redaction."""
        for change in self.changes:
            change(document, facts)

    def _redact(self, document: Document, redaction: Redaction) -> Turns[None]:
        choices = document.get(CHOICES)
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("logprobs"):
                choice["logprobs"] = None  # they spell the text
        # Where there are no choices, what is said may stand anywhere.
        said, skipped = (choices, self.skipped) if CHOICES in document else (document, self.skipped_anywhere)
        for holder, place, _ in find_texts(said, skipped):
            holder[place] = yield from redaction.redact(holder[place])


class StreamChange:
    """One streamed answer on its way."""

    def __init__(self, plan: AnswerPlan, facts: Facts, *, has_choices: bool = True) -> None:
        self._plan = plan
        self._facts = facts
        self._redaction = _open_redaction(plan, has_choices=has_choices)

    def change(self, events: bytes) -> Iterator[bytes]:
        """What is to be sent of whole events, in one or several parts; an empty one is where others may have their turn.
        Raises PROVIDER_INVALID_ANSWER for an event that is too large, or unreadable where something must be redacted."""
        changed: list[bytes] = []
        size = 0
        for event in split_events(events):
            data = read_data(event)
            document = None if data is None else self._plan.read(data)
            if document is None:
                changed.append(self._pass(event, data))
            elif self._redaction is None:
                changed.append(self._write(event, document))
            else:
                changed += [self._write(event, each) for each in (yield from _redact(document, self._redaction))]
            size += len(event)
            if size >= IN_ONE_TURN:
                yield from (b"".join(changed), b"")
                changed.clear()
                size = 0
        yield b"".join(changed)

    def finish(self) -> bytes:
        """What is still held back."""
        document = self._redaction.finish() if self._redaction else None
        return b"" if document is None else self._write(b"", document)

    def _pass(self, event: bytes, data: bytes | None) -> bytes:
        """An event without a document, as it came; what was held back comes before the end."""
        if data is not None and is_done(data):
            return self.finish() + event + b"\n\n"
        if data is not None and self._redaction is not None:
            message = "an event of the answer cannot be read, and what is to be redacted might stand in it"
            raise RunestoneError(Reason.PROVIDER_INVALID_ANSWER, message)
        return event + b"\n\n"

    def _write(self, event: bytes, document: Document) -> bytes:
        self._plan.apply(document, self._facts)
        return with_data(_named(event, document), orjson.dumps(document))


def _open_redaction(plan: AnswerPlan, *, has_choices: bool) -> StreamRedaction | NamedRedaction | None:
    if plan.redaction is None:
        return None
    if has_choices:
        return StreamRedaction(plan.redaction, plan.skipped)
    return NamedRedaction(plan.redaction, plan.skipped_anywhere)


def _named(event: bytes, document: Document) -> bytes:
    """`event` with the name of `document`, where it has a name: a document that was put in front of another is of another type."""
    if not event.startswith(NAME) or not isinstance(kind := document.get("type"), str):
        return event
    return NAME + kind.encode() + event[event.find(b"\n") :]


def _redact(
    document: Document, redaction: StreamRedaction | NamedRedaction
) -> Generator[bytes, None, Sequence[Document]]:
    """What is to be sent of an event; an empty part is a pause."""
    is_sent = redaction.take_word(document)
    if is_sent is not None:
        return (document,) if is_sent else ()
    pieces = redaction.find_pieces(document)
    for redactor, holder, place, is_last in pieces:
        text = holder[place]
        if len(text) <= PIECE:
            holder[place] = redactor.finish(text) if is_last else redactor.feed(text)
        else:
            holder[place] = yield from _with_pauses(redactor.take(text, is_last=is_last))
    return redaction.settle(document, pieces)


def _with_pauses(work: Turns[T]) -> Generator[bytes, None, T]:
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: T = done.value
            return result
        yield b""
