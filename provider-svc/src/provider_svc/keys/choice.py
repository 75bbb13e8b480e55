"""Which key takes a call, and why none can. Pure: the keys as they are, and the time, are given."""

from collections.abc import Sequence
from math import inf

from chassis.errors import Reason, RunestoneError
from provider_svc.keys.seat import KeySeat

WORTH_WAITING = 0.05  # seconds of a pause that is waited for in place of telling
BUSY_HINT = 1.0  # seconds


def find_free(keys: Sequence[KeySeat], model: str, now: float) -> KeySeat | None:
    """The key with the most headroom for its weight; among equals whose turn it is; None where all are paused or full."""
    best, least, turn = None, inf, inf
    for key in keys:
        if key.is_free(model, now):
            load = key.running / (key.limit.value * key.weight)
            if load < least or (load == least and key.turn < turn):
                best, least, turn = key, load, key.turn
    return best


def find_trusted(keys: Sequence[KeySeat], now: float) -> Sequence[KeySeat]:
    """The keys whose credentials were not refused lately; all, where they all were: then the provider may say it anew."""
    return [key for key in keys if key.distrusted <= now] or keys


def find_pause(keys: Sequence[KeySeat], model: str, now: float) -> float:
    """Seconds until the first of them may be asked for `model`, whether or not it has a place; 0 when one may now."""
    return min(key.pauses.left(model, now) for key in keys)


def find_hint(key: KeySeat, keys: Sequence[KeySeat], model: str, own: float | None, now: float) -> float | None:
    """When to try again a call that the provider refused to `key`, saying `own`: 0.0 where another of `keys` may be asked, else when the first
    may; None where nobody knows."""
    hints = [other.pauses.left(model, now) for other in keys if other is not key and other.distrusted <= now]
    if own := own or key.pauses.left(model, now):
        hints.append(own)
    return min(hints, default=None)


def paused(name: str, count: int, seconds: float) -> RunestoneError:
    """PROVIDER_RATE_LIMITED: each of the `count` keys of provider `name` waits, the first for `seconds`. Nothing was sent."""
    which = "its key" if count == 1 else f"each of its {count} keys"
    return RunestoneError(
        Reason.PROVIDER_RATE_LIMITED,
        f"the provider {name} asked {which} to slow down",
        retry_after=seconds,
        upstream_status=429,
        may_have_begun=False,
    )


def busy(name: str, why: str) -> RunestoneError:
    """OVERLOADED: provider `name` has as many calls as its keys may have. Nothing was sent."""
    message = f"as many calls run at the provider {name} as its keys may have at once, {why}"
    return RunestoneError(Reason.OVERLOADED, message, retry_after=BUSY_HINT, may_have_begun=False)
