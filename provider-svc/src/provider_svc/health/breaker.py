"""A circuit breaker of one target: after failures in a row it is left alone, then tried with a few calls."""

from enum import Enum, auto
from typing import NewType

from chassis.config.providers import Breaker

Entry = NewType("Entry", int)  # in which epoch a call began, and as what

PROBE, LAST_RESORT, EPOCH = 1, 2, 2  # bits of an entry, and where its epoch begins
LAST_RESORTS = 32  # calls at once, for want of any other target


class State(Enum):
    """How calls are kept from a target. EJECTED is not the breaker's, but for the share of its calls that failed."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()
    EJECTED = auto()


class TargetBreaker:
    """Closed, open for a pause, half-open: `probes` calls at once find out whether the target is well.

    Each opening begins an epoch, and a call counts in the epoch in which it began: one that began before neither closes the breaker,
    opens it again, lengthens its pause nor gives back a probe's place. Whatever goes there while it is open, or over the probes, is a last
    resort: its answer closes the breaker, its failure changes nothing.
    """

    __slots__ = (
        "_epoch",
        "_failures",
        "_pause",
        "_probing",
        "_resorts",
        "_retry_at",
        "_suspected_until",
        "is_open",
        "settings",
    )

    def __init__(self, settings: Breaker) -> None:
        self.settings = settings
        self.is_open = False
        self._epoch = 0
        self._failures = 0
        self._pause = 0.0
        self._probing = 0
        self._resorts = 0
        self._retry_at = 0.0
        self._suspected_until = 0.0

    def state(self, now: float) -> State:
        """CLOSED, OPEN or HALF_OPEN; OPEN, too, while another replica's word holds."""
        if self.is_open:
            return State.OPEN if now < self._retry_at else State.HALF_OPEN
        return State.OPEN if now < self._suspected_until else State.CLOSED

    def admits(self, now: float) -> bool:
        """Whether a call may go there that is no last resort."""
        if self.is_open:
            return now >= self._retry_at and self._probing < self.settings.probes
        return now >= self._suspected_until or self._probing < self.settings.probes

    def admits_resort(self, now: float) -> bool:
        """Whether a call may go there that nothing else can answer. What went there before it failed takes nobody's place."""
        return self._resorts < LAST_RESORTS or self.admits(now)

    def retry_at(self, now: float) -> float:
        """When calls may go there again. Where probes are under way nobody knows: a pause from now."""
        if self.admits(now):
            return now
        if self.is_open:
            return self._retry_at if now < self._retry_at else now + self.settings.pause
        return min(self._suspected_until, now + self.settings.pause)

    def enter(self, now: float) -> Entry:
        """A call begins: as a probe where only those may, as a last resort where none may."""
        entry = self._epoch << EPOCH
        if self.is_open or now < self._suspected_until:
            if self.admits(now):
                self._probing += 1
                entry |= PROBE
            else:
                self._resorts += 1
                entry |= LAST_RESORT
        return Entry(entry)

    def guess_entry(self) -> Entry:
        """What a call may have got that did not keep it: it began in this epoch, as a probe if there is any."""
        return Entry(self._epoch << EPOCH | (PROBE if self._probing else 0))

    def leave(self, entry: Entry) -> bool:
        """A call ends, and gives its place back. Whether what it says counts: not where it began in an earlier epoch."""
        if entry & LAST_RESORT:
            self._resorts -= 1
        if entry >> EPOCH != self._epoch:
            return False
        self._probing -= entry & PROBE
        return True

    def is_in_doubt(self, entry: Entry, now: float) -> bool:
        """Whether this call's answer, were it there, would let all others go there again."""
        return entry >> EPOCH == self._epoch and (self.is_open or now < self._suspected_until)

    def note_answer(self) -> bool:
        """A call of this epoch was answered. Whether that closed the breaker."""
        was_open = self.is_open
        self.is_open = False
        self._failures = 0
        self._suspected_until = 0.0
        return was_open

    def note_failure(self, entry: Entry, now: float) -> float:
        """A call of this epoch failed. For how many seconds that opened the breaker; 0 where it did not."""
        is_probe = entry & PROBE
        if self.is_open:
            return self._open(self._pause * 2, now) if is_probe else 0.0
        self._failures += 1
        if self._failures >= self.settings.failures or (is_probe and now < self._suspected_until):
            return self._open(self.settings.pause, now)
        return 0.0

    def hear_open(self, until: float, now: float) -> None:
        """Another replica's breaker is open: only probes go there until one is answered or `until`, at most the longest pause. Nothing
        new to a breaker that is open itself, for the answer that closes it answers this, too."""
        self._suspected_until = max(self._suspected_until, min(until, now + self.settings.max_pause))

    def begin_epoch(self) -> None:
        """Calls that began before do not count any more."""
        self._epoch += 1
        self._probing = 0

    def _open(self, pause: float, now: float) -> float:
        self.is_open = True
        self._pause = min(pause, self.settings.max_pause)
        self._retry_at = now + self._pause
        self.begin_epoch()
        return self._pause

    def __repr__(self) -> str:
        condition = "open" if self.is_open else "closed"
        return f"TargetBreaker({condition}, {self._failures} failures in a row, {self._probing} probes, epoch {self._epoch})"
