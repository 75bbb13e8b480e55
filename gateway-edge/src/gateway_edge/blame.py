"""Whether a failed hop says that the part behind it is sick, or only that this call was out of time or wrong.

A client chooses its own deadline: were its running out held against a service, any client could switch off limits or cache
for everybody.
"""

from chassis.clock import Clock
from chassis.context import current
from chassis.errors import Reason, RunestoneError

SICKNESS = {Reason.UNAVAILABLE, Reason.OVERLOADED, Reason.INTERNAL}
LEFT = 0.05  # seconds of the call's own time that must be left for a deadline to have been the hop's


def is_part_down(error: RunestoneError, clock: Clock) -> bool:
    """Whether the call should go on without the part that answered with `error`."""
    if error.reason is Reason.DEADLINE_EXCEEDED:
        deadline = current().deadline
        return deadline is None or deadline - clock.monotonic() > LEFT
    return error.reason in SICKNESS
