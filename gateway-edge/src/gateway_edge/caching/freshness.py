"""Whether a kept answer may be given: how old it is, how long it is fresh, what its client takes (RFC 9111, section 4.2). Pure."""

from enum import Enum, auto

from msgspec import Struct

from gateway_edge.caching.controls import Controls
from runestone.cache.v1.cache_pb2 import Answer


class Verdict(Enum):
    """What may be done with an answer: given as it is; given while it is asked anew; given only where asking fails; not given, as
    the client wants a younger one; not given any more, as if it were not there."""

    FRESH = auto()
    REVALIDATE = auto()
    SPARE = auto()
    UNWANTED = auto()
    OVER = auto()


class Spans(Struct, frozen=True):
    """How many seconds beyond its freshness an answer may be given while it is asked anew, and where asking fails."""

    while_revalidating: float = 0.0
    if_error: float = 0.0

    @property
    def longest(self) -> float:
        """How long stale answers are worth keeping."""
        return max(self.while_revalidating, self.if_error)


def age_of(answer: Answer, now: float) -> float:
    """Seconds since it was stored; `now` is seconds since the epoch. Never negative, whatever the clocks say."""
    return max(0.0, now - answer.stored_at.seconds - answer.stored_at.nanos / 1e9)


def life_of(answer: Answer) -> float:
    """Seconds that it is kept in all, fresh and stale."""
    return sum(span.seconds + span.nanos / 1e9 for span in (answer.fresh_for, answer.stale_for))


def judge(answer: Answer, age: float, controls: Controls, spans: Spans) -> Verdict:
    """What may be done with an answer of `age` seconds."""
    fresh_for = answer.fresh_for.seconds + answer.fresh_for.nanos / 1e9
    if controls.max_age is not None and (not controls.max_age or age > controls.max_age):
        return Verdict.UNWANTED
    left = fresh_for - age
    if left > 0:
        return Verdict.FRESH if left >= controls.min_fresh else Verdict.UNWANTED
    if controls.max_stale is not None and -left <= controls.max_stale:
        return Verdict.FRESH
    if -left <= spans.while_revalidating and not controls.min_fresh:
        return Verdict.REVALIDATE
    return Verdict.SPARE if -left <= spans.if_error else Verdict.OVER
