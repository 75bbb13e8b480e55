"""Deadlines shrink at each hop; too little time is refused at the door.

Python's gRPC neither sets nor passes on a deadline by itself. A caller keeps `RESERVE` of what it has left for its own
way back, so that the callee's DEADLINE_EXCEEDED arrives while it can still be told.
"""

from chassis.errors import Reason, RunestoneError

RESERVE = 0.010
LEAST = 0.005


def time_for_hop(deadline: float | None, now: float, default: float) -> float:
    """Seconds to give a callee: the rest of `deadline` less the reserve, at most `default`.

    Raises DEADLINE_EXCEEDED when less than `LEAST` would be left for it.
    """
    if deadline is None:
        return default
    left = deadline - now - RESERVE
    if left < LEAST:
        raise RunestoneError(Reason.DEADLINE_EXCEEDED, "the call's deadline leaves no time for the next step")
    return min(left, default)
