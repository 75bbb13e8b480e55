"""Whether it helps to ask again, and whom: one table from what went wrong. Pure."""

from enum import Enum

from chassis.errors import Reason, RunestoneError

NOT_FOUND = 404
# What a provider refuses of a request that another model may take, by its code.
ELSEWHERE_CODES = frozenset({"context_length_exceeded", "model_not_found", "string_above_max_length"})


class Verdict(Enum):
    """What may be tried behind a failure, before anything was the client's."""

    STOP = "nothing"  # it would be the same everywhere
    ELSEWHERE = "another target"  # this one would say the same again
    PRESSURE = "another key or target, or this one when it says so"
    AGAIN = "another target, or this one once more"


VERDICTS: dict[Reason, Verdict] = {
    Reason.PROVIDER_FAILED: Verdict.AGAIN,
    Reason.PROVIDER_UNREACHABLE: Verdict.AGAIN,
    Reason.PROVIDER_TIMEOUT: Verdict.AGAIN,
    Reason.PROVIDER_INVALID_ANSWER: Verdict.AGAIN,
    Reason.PROVIDER_STREAM_CUT: Verdict.AGAIN,
    Reason.PROVIDER_OVERLOADED: Verdict.AGAIN,
    Reason.PROVIDER_RATE_LIMITED: Verdict.PRESSURE,
    Reason.PROVIDER_CREDENTIALS_REFUSED: Verdict.PRESSURE,
    Reason.OVERLOADED: Verdict.ELSEWHERE,  # as many as may run or wait here do
    Reason.INVALID_REQUEST: Verdict.ELSEWHERE,  # its language has no word for what is asked; nothing was sent
}


def judge(error: RunestoneError) -> Verdict:
    """What may be tried behind `error`."""
    if error.reason is Reason.PROVIDER_REFUSED:
        is_models_own = error.upstream_status == NOT_FOUND or error.code in ELSEWHERE_CODES
        return Verdict.ELSEWHERE if is_models_own else Verdict.STOP
    return VERDICTS.get(error.reason, Verdict.STOP)


def was_sent(error: RunestoneError) -> bool:
    """Whether it cost an upstream call to learn of it."""
    return error.may_have_begun and error.reason not in {Reason.INVALID_REQUEST, Reason.OVERLOADED}
