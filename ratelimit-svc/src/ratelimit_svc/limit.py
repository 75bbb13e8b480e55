"""A limit that a call asks under: whom it binds, at which rate, and how much the call uses."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.errors import Reason, RunestoneError
from chassis.gcra import MAX_QUANTITY, Rate

CENTURY = 100 * 365 * 86_400 * 1_000_000  # microseconds; the Redis script's numbers are exact well beyond it


@dataclass(frozen=True, slots=True)
class Limit:
    """`key` stands for the subject in every store: 32 bytes."""

    key: bytes
    rate: Rate
    amount: int


def make_limit(subject: Sequence[str], name: str, *, quantity: int, period: int, burst: int, amount: int) -> Limit:
    """The limit that a caller describes; `period` is in microseconds. A burst of 0 is the quantity, an amount of 0 is 1.

    Raises INVALID_REQUEST, with the member at fault as `param`, when it makes no sense.
    """
    rate = Rate(quantity, period, burst or quantity)
    if not subject:
        raise _senseless("subject", "must have at least one part")
    if not 1 <= quantity <= MAX_QUANTITY:
        raise _senseless("quantity", f"must be 1 to {MAX_QUANTITY}")
    if period < 1:
        raise _senseless("period", "must be at least a microsecond")
    if rate.period * rate.burst > CENTURY * quantity:
        raise _senseless("burst", "would take more than a century to be available again")
    return Limit(subject_key(subject, name), rate, amount or 1)


def subject_key(subject: Sequence[str], name: str) -> bytes:
    """SHA-256 of the subject's parts and the limit's name, each with its length before it: no choice of names makes two
    subjects collide, and every key has the same size."""
    parts = [part.encode() for part in (*subject, name)]
    return hashlib.sha256(b"".join(len(part).to_bytes(4) + part for part in parts)).digest()


def _senseless(member: str, message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, f"the limit's {member} {message}", param=member)
