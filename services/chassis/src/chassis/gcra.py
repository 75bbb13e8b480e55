"""The generic cell rate algorithm (ITU-T I.371, https://brandur.org/rate-limiting): a limit is one timestamp.

Pure: time and state in, decision and new state out. ratelimit-svc decides with it (its Redis script is the same
arithmetic), and so does the edge while ratelimit-svc cannot be asked. Nothing is lost to fractions: seven a minute are
seven, and a rate above one a microsecond holds too.

Uses may be taken ahead and spent later, as long as they are still good: the rate makes a taken use good again after a
while, and what is held must be let go at the same pace, or it would come on top of a burst that is full again. With that
rule, what is held and what remains are never more than the burst together, whoever takes, spends and returns (docs/adr/0005).
"""

from dataclasses import dataclass

# States are kept in units of 10^-12 microseconds: fine enough that an exact fraction can be rounded to them and found
# again, and the same for every rate, so that a state survives a change of its rate.
FINE = 10**12
MAX_QUANTITY = 10**11


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `quantity` in any `period` (microseconds), no more than `burst` at once. Each is at least 1, and the
    quantity at most `MAX_QUANTITY`."""

    quantity: int
    period: int
    burst: int


@dataclass(frozen=True, slots=True)
class Decision:
    """`arrival` is the state to keep; `remaining` could still be used at once; `reset_after` and `retry_after` are in
    microseconds. `retry_after` is None when admitted, or when it never will be."""

    is_admitted: bool
    arrival: int
    remaining: int
    reset_after: int
    retry_after: int | None


def decide(rate: Rate, arrival: int | None, now: int, amount: int) -> Decision:
    """Whether `amount` may be used at `now` (microseconds); an amount of 0 only asks how the limit stands.

    `arrival` is the theoretical arrival time that an earlier decision gave, in units of 1/FINE microseconds; None for a
    subject that is not known, which has all of its burst. A refusal leaves it as it was, unless it is further ahead than
    the rate can owe: a clock that stepped back, or a rate that was changed, costs one burst and not the size of the step.
    """
    # In units of 1/quantity microseconds every number is whole, and one use costs exactly `period`.
    instant, tolerance = now * rate.quantity, rate.period * rate.burst
    known = instant if arrival is None else _nearest(arrival * rate.quantity, FINE)
    before = min(max(known, instant), instant + tolerance)
    after = before + rate.period * amount
    wait = after - tolerance - instant
    kept = after if wait <= 0 else before
    return Decision(
        is_admitted=wait <= 0,
        arrival=_nearest(kept * FINE, rate.quantity),
        remaining=(instant + tolerance - kept) // rate.period,
        reset_after=_round_up(kept - instant, rate.quantity),
        retry_after=None if wait <= 0 or amount > rate.burst else _round_up(wait, rate.quantity),
    )


@dataclass(frozen=True, slots=True)
class Refund:
    """`arrival` is the state to keep; `amount` is how many uses were given back, to the nearest one."""

    arrival: int
    amount: int


def good_until(rate: Rate, now: int, amount: int) -> int:
    """When the last of `amount` uses that are taken ahead at `now` is no longer good, in units of 1/FINE microseconds."""
    return _nearest((now * rate.quantity + rate.period * amount) * FINE, rate.quantity)


def count_lapsed(rate: Rate, elapsed: int) -> int:
    """How many uses of those taken ahead are no longer good `elapsed` microseconds after they were asked for; what has lapsed
    stays lapsed, also when some are spent then."""
    return _round_up(elapsed * rate.quantity, rate.period)


def refund(rate: Rate, arrival: int | None, until: int, now: int, amount: int) -> Refund:
    """Gives back up to `amount` of the uses that are good `until` then: never what has lapsed, never beyond a full burst."""
    instant = now * rate.quantity
    owed = 0 if arrival is None else max(0, _nearest(arrival * rate.quantity, FINE) - instant)
    good = max(0, _nearest(until * rate.quantity, FINE) - instant)
    back = min(rate.period * amount, good, owed)
    return Refund(_nearest((instant + owed - back) * FINE, rate.quantity), _nearest(back, rate.period))


def _nearest(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor)


def _round_up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
