"""Copies of answers in this process: bounded in bytes, never given once they may be wrong.

A copy is kept only when nothing was dropped in cache-svc since it was read there, as far as this process has heard (`Mark`); what
is dropped later is heard of. While some replica of cache-svc is not heard, no copy is given.
"""

from collections import OrderedDict
from collections.abc import Sequence
from math import inf

from msgspec import Struct

from chassis.clock import Clock
from gateway_edge.caching.forms import Form, Shown, show
from gateway_edge.caching.freshness import age_of, life_of
from gateway_edge.caching.stamps import Stamps
from runestone.cache.v1.cache_pb2 import Answer, Mark, Selection

KEY_SIZE = 32
OVERHEAD = 2_500  # bytes that a copy takes beside its body; measured, CPython 3.11
FORMS = 4  # times its own bytes that an answer takes with the forms it may be shown in: a small one's stream is three times as long
LARGEST_SHARE = 8


class Copy(Struct, eq=False):
    """An answer, the log that tells of its end, and the forms it was shown in. `ends_at` is `Clock.monotonic`."""

    answer: Answer
    epoch: str
    size: int
    forms: dict[Form, Shown | None]
    ends_at: float = inf

    def show(self, form: Form) -> Shown | None:
        """The answer in a form, made once."""
        if form not in self.forms:
            self.forms[form] = show(self.answer, form)
        return self.forms[form]


def copy_of(answer: Answer, epoch: str = "", ends_at: float = inf) -> Copy:
    """An answer as it can be shown."""
    return Copy(answer, epoch, FORMS * answer.ByteSize() + OVERHEAD, {}, ends_at)


class NearCache:
    """The copies used last, as many as `max_bytes` hold, of which one takes an eighth at the most. Says nothing of freshness,
    but gives no copy for longer than its answer was to be kept, whatever becomes of the clock that answers are dated by. `longest_call` is how many seconds a call may take."""

    def __init__(self, max_bytes: int, clock: Clock, *, longest_call: float) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._stamps = Stamps(clock, longest_call)
        self._copies: OrderedDict[bytes, Copy] = OrderedDict()
        self._heard: dict[str, int] = {}
        self.held = 0
        self.is_live = False

    def __len__(self) -> int:
        return len(self._copies)

    def find(self, key: bytes) -> Copy | None:
        """The copy under a key; None while not everything is heard."""
        copy = self._copies.get(key) if self.is_live else None
        if copy is None:
            return None
        if copy.ends_at <= self._clock.monotonic():
            self.drop(key)
            return None
        self._copies.move_to_end(key)
        return copy

    def keep(self, key: bytes, answer: Answer, mark: Mark) -> None:
        """Keeps a copy of what was read or stored when the log stood at `mark`, unless more was heard since."""
        if not self.is_live or self._heard.get(mark.epoch, mark.version + 1) > mark.version:
            return
        left = life_of(answer) - age_of(answer, self._clock.time())
        copy = copy_of(answer, mark.epoch, self._clock.monotonic() + left)
        self.drop(key)
        if copy.size > self._max_bytes // LARGEST_SHARE:
            return
        self._copies[key] = copy
        self.held += copy.size
        while self.held > self._max_bytes:
            self.drop(next(iter(self._copies)))

    def hear(self, mark: Mark, dropped: Sequence[Selection]) -> None:
        """Drops what is no longer to be given: by changes that follow each other, of which the last is the one at `mark`."""
        self._heard[mark.epoch] = mark.version
        for version, selection in enumerate(dropped, mark.version + 1 - len(dropped)):
            self._drop_all(selection)
            key = selection.key_prefix
            self._stamps.note(Mark(epoch=mark.epoch, version=version), key if len(key) == KEY_SIZE else b"")

    def stamp_of(self, key: bytes) -> bytes:
        """The last change that may have been about a key, for what is not to reach back behind it; the same in every process that
        heard of it."""
        return self._stamps.of(key)

    def begin(self, mark: Mark, before: str) -> None:
        """Begins to hear a log at `mark`, in place of the one `before`: no copy from either is sure any more."""
        for epoch in (before, mark.epoch):
            self.forget(epoch)
        self._heard[mark.epoch] = mark.version

    def forget(self, epoch: str) -> None:
        """Drops every copy that a log would have told of."""
        self._heard.pop(epoch, None)
        for key in [key for key, copy in self._copies.items() if copy.epoch == epoch]:
            self.drop(key)

    def _drop_all(self, selection: Selection) -> None:
        if len(selection.key_prefix) == KEY_SIZE:
            self.drop(selection.key_prefix)
            return
        for key in [key for key, copy in self._copies.items() if _fits(selection, key, copy.answer)]:
            self.drop(key)

    def drop(self, key: bytes) -> None:
        """Forgets a copy, if there is one."""
        copy = self._copies.pop(key, None)
        if copy is not None:
            self.held -= copy.size

    def __repr__(self) -> str:
        return f"NearCache({len(self)} copies, {self.held}/{self._max_bytes} bytes, live: {self.is_live})"


def _fits(selection: Selection, key: bytes, answer: Answer) -> bool:
    labels = answer.labels
    return (
        key.startswith(selection.key_prefix)
        and selection.tenant in ("", labels.tenant)
        and selection.model in ("", labels.model)
        and (not selection.tag or selection.tag in labels.tags)
    )
