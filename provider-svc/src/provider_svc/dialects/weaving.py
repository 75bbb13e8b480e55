"""One client's stream out of several answers: where one breaks off, the next goes on, in the same events. Pure.

One writer writes it all, so that there is one id, one role, one count of parts and of events, and one sum of what was used.
"""

from collections.abc import Iterable
from typing import Protocol

from chassis.billing.total import add_up
from chassis.errors import RunestoneError
from provider_svc.dialects.continuation import Continuation
from provider_svc.dialects.dialect import AnswerWriter, Asked, Members
from provider_svc.dialects.going_on import can_go_on, go_on
from provider_svc.dialects.losses import Losses
from provider_svc.dialects.prompt import Prompt
from provider_svc.dialects.steps import Step
from provider_svc.dialects.table import DIALECTS
from provider_svc.dialects.told import Told
from runestone.common.v1 import dialect_pb2
from runestone.common.v1.usage_pb2 import Usage

MOST_PARTS = 4  # answers in one stream

DEFAULT_MARK = "continued"


class Ending(Protocol):
    """Who knows why a model stopped (`Meter`): "" while it has not said so."""

    finish_reason: str


class Weaving:
    """The stream of one client, who asked with `members` in `dialect`, at `created` (seconds since the epoch)."""

    def __init__(self, dialect: dialect_pb2.Dialect.ValueType, members: Members, created: int) -> None:
        self._told = _begin(dialect, Asked(members, created))
        self._mark = DEFAULT_MARK
        self._strand: Strand | None = None  # of the answer that is told
        self._ending: Ending | None = None
        self._spent: Usage | None = None
        self._breaks = 0
        self._parts = 0

    @property
    def is_possible(self) -> bool:
        """Whether this stream can be woven at all. One that cannot is told as if there were no weaving."""
        return self._told is not None

    @property
    def parts(self) -> int:
        """Answers of which the client was told something."""
        return self._parts

    @property
    def can_continue(self) -> bool:
        """Whether the next answer could go on with what was told, now that the last one broke off."""
        if self._told is None or self._ending is None or self._ending.finish_reason:
            return False
        return self._told.is_continuable and self._parts < MOST_PARTS

    def mark(self, text: str) -> None:
        """What is told, as a comment, before the words of answers that are opened from here on, where they go on with another's."""
        self._mark = " ".join(text.split())

    def break_off(self, usage: Usage | None) -> None:
        """The answer that was told has failed, and came to `usage`. Nothing more of it, or of any that was opened before, is told. Where
        none was told, nothing is counted: to say it twice is harmless."""
        if self._strand is not None and usage is not None:
            self._spent = add_up(usage, self._spent)
        self._breaks += 1
        self._strand = None

    def ask(self, prompt: Prompt) -> Prompt:
        """The question to the next model: the client's own while no word was said, then to go on."""
        if self._told is None:
            return prompt
        return go_on(prompt, self._told.words, 0 if self._spent is None else self._spent.output_tokens)

    def open_writer(self, ending: Ending) -> AnswerWriter:
        """A writer for the next answer, whose end `ending` tells. Of several that are open at once, as where calls are hedged, the first that
        says something is told, and the others say nothing."""
        assert self._told is not None, "what cannot be woven is not opened"
        return Strand(self, self._told, self._breaks, self._mark, ending)

    def choose(self, strand: "Strand") -> bool:
        """Whether it is `strand` that is told; where none is yet, it is from here on."""
        if self._strand is None and strand.breaks == self._breaks:
            self._strand, self._ending = strand, strand.ending
            self._parts += 1
            strand.begin(self._spent)
        return self._strand is strand

    def __repr__(self) -> str:
        return f"Weaving(parts={self._parts}, breaks={self._breaks}, can_continue={self.can_continue})"


class Strand:
    """One answer on its way into a stream. It was opened behind so many `breaks` of it."""

    def __init__(self, weaving: Weaving, told: Told, breaks: int, mark: str, ending: Ending) -> None:
        self.breaks = breaks
        self.ending = ending
        self._weaving = weaving
        self._told = told
        self._mark = mark
        self._write = told.tell

    def begin(self, spent: Usage | None) -> None:
        """It is told, as the first answer or as more of one on which so much was `spent`."""
        if self._told.has_begun:
            marker = f": {self._mark}\n\n".encode()
            self._write = Continuation(self._told, marker, spent).write

    def write(self, step: Step) -> Iterable[bytes]:
        """See `AnswerWriter.write`."""
        return self._write(step) if self._weaving.choose(self) else ()


def _begin(dialect: dialect_pb2.Dialect.ValueType, asked: Asked) -> Told | None:
    """None where the question cannot be carried whole, also within its own dialect: who asks for what the hub does not know, or asks
    wrongly, is answered as without weaving."""
    known = DIALECTS.get(dialect)
    if known is None:
        return None
    try:
        losses = Losses(is_strict=True)
        prompt = known.read_prompt(asked.members, losses)
        known.write_prompt(prompt, losses)
        return Told(known.open_writer(asked)) if can_go_on(prompt) else None
    except RunestoneError:
        return None
