"""What an ended call says of its target: one table."""

from enum import Enum, auto

from chassis.errors import Reason, RunestoneError

UNAVAILABLE = 503


class Outcome(Enum):
    """What a call's end means for the next."""

    ANSWERED = auto()  # also a refusal: whoever refuses is there
    FAILED = auto()
    PRESSURE = auto()  # it is well, and asked for less
    NEUTRAL = auto()  # nothing is known of it


OUTCOMES: dict[Reason, Outcome] = {
    Reason.PROVIDER_UNREACHABLE: Outcome.FAILED,
    Reason.PROVIDER_TIMEOUT: Outcome.FAILED,
    Reason.PROVIDER_FAILED: Outcome.FAILED,
    Reason.PROVIDER_INVALID_ANSWER: Outcome.FAILED,
    Reason.PROVIDER_STREAM_CUT: Outcome.FAILED,
    Reason.PROVIDER_CREDENTIALS_REFUSED: Outcome.FAILED,
    Reason.PROVIDER_RATE_LIMITED: Outcome.PRESSURE,
    Reason.PROVIDER_OVERLOADED: Outcome.PRESSURE,
    Reason.OVERLOADED: Outcome.PRESSURE,
    Reason.PROVIDER_REFUSED: Outcome.ANSWERED,
}


def outcome_of(error: RunestoneError) -> Outcome:
    """What `error` says of the target: 429 and 529 are pressure, 503 may come from whatever stands before a server that is gone."""
    if error.reason is Reason.PROVIDER_OVERLOADED and error.upstream_status == UNAVAILABLE:
        return Outcome.FAILED
    return OUTCOMES.get(error.reason, Outcome.NEUTRAL)
