"""What the end of a call says of its target: one table."""

from enum import Enum, auto

from chassis.errors import Reason, RunestoneError

UNAVAILABLE = 503


class Outcome(Enum):
    """What an ended call says of its target. PRESSURE: it is well and has too much to do; NEUTRAL: nothing."""

    ANSWERED = auto()
    FAILED = auto()
    PRESSURE = auto()
    NEUTRAL = auto()


# A refusal is an answer: the question was at fault. Whatever is not here says nothing of the target: whoever asked left or ran out of time.
OUTCOMES: dict[Reason, Outcome] = {
    Reason.PROVIDER_REFUSED: Outcome.ANSWERED,
    Reason.PROVIDER_UNREACHABLE: Outcome.FAILED,
    Reason.PROVIDER_TIMEOUT: Outcome.FAILED,
    Reason.PROVIDER_FAILED: Outcome.FAILED,
    Reason.PROVIDER_INVALID_ANSWER: Outcome.FAILED,
    Reason.PROVIDER_STREAM_CUT: Outcome.FAILED,
    Reason.PROVIDER_CREDENTIALS_REFUSED: Outcome.FAILED,
    Reason.PROVIDER_RATE_LIMITED: Outcome.PRESSURE,
    Reason.PROVIDER_OVERLOADED: Outcome.PRESSURE,
    Reason.OVERLOADED: Outcome.PRESSURE,  # our own limit of calls there
}


def outcome_of(error: RunestoneError) -> Outcome:
    """What a call that ended with `error` says of its target."""
    # Proxies and balancers say 503 when nobody is behind them; a provider that only has too much to do says 529, or an error's type.
    if error.reason is Reason.PROVIDER_OVERLOADED and error.upstream_status == UNAVAILABLE:
        return Outcome.FAILED
    return OUTCOMES.get(error.reason, Outcome.NEUTRAL)
