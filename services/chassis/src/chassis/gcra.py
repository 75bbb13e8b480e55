"""The generic cell rate algorithm (ITU-T I.371, https://brandur.org/rate-limiting): a limit is one timestamp.

Pure: time and state in, decision and new state out. ratelimit-svc decides with it (its Redis script is the same
arithmetic), and so does the edge while ratelimit-svc cannot be asked. Times are whole microseconds, which Lua's numbers
carry exactly.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `quantity` in any `period` (microseconds), no more than `burst` at once."""

    quantity: int
    period: int
    burst: int

    @property
    def interval(self) -> float:
        """Microseconds between two calls at the sustained rate."""
        return self.period / self.quantity


@dataclass(frozen=True, slots=True)
class Decision:
    """`remaining` could still be used at once. Times in microseconds; `retry_after` is None when admitted, or when never."""

    is_admitted: bool
    arrival: int
    remaining: int
    reset_after: int
    retry_after: int | None


def decide(rate: Rate, arrival: int | None, now: int, amount: int) -> Decision:
    """Whether `amount` may be used at `now` (microseconds), given the stored theoretical arrival time.

    The new state is `arrival` of the decision; a refusal leaves it as it was.
    """
    interval = rate.interval
    tolerance = interval * rate.burst
    before = max(arrival or 0, now)
    after = before + interval * amount
    wait = after - tolerance - now
    admitted = wait <= 0
    kept = after if admitted else before
    return Decision(
        is_admitted=admitted,
        arrival=round(kept),
        remaining=max(0, int((tolerance - (kept - now)) / interval + 1e-9)),
        reset_after=max(0, round(kept - now)),
        retry_after=None if admitted or amount > rate.burst else max(1, -int(-wait // 1)),
    )
