import pytest

from chassis.errors import Reason, RunestoneError
from provider_svc.failures import failure_of_status
from provider_svc.health.outcome import Outcome, outcome_of

SAID = {
    Outcome.ANSWERED: {"PROVIDER_REFUSED"},
    Outcome.FAILED: {
        "PROVIDER_UNREACHABLE",
        "PROVIDER_TIMEOUT",
        "PROVIDER_FAILED",
        "PROVIDER_INVALID_ANSWER",
        "PROVIDER_STREAM_CUT",
        "PROVIDER_CREDENTIALS_REFUSED",
    },
    Outcome.PRESSURE: {"PROVIDER_RATE_LIMITED", "PROVIDER_OVERLOADED", "OVERLOADED"},
}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_says_something_or_nothing_of_the_target(reason):
    expected = [outcome for outcome, reasons in SAID.items() if reason in reasons]
    assert [outcome_of(RunestoneError(reason, "it"))] == (expected or [Outcome.NEUTRAL])


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.ANSWERED),
        (401, Outcome.FAILED),
        (429, Outcome.PRESSURE),
        (500, Outcome.FAILED),
        (502, Outcome.FAILED),
        (503, Outcome.FAILED),
        (529, Outcome.PRESSURE),
    ],
)
def test_a_full_provider_is_not_a_sick_one(status, outcome):
    """A balancer with nobody behind it says 503; who only has too much to do says 429 or 529."""
    assert outcome_of(failure_of_status(status, {}, b"", 0.0)) is outcome


def test_our_own_503_is_not_the_providers():
    assert outcome_of(RunestoneError(Reason.OVERLOADED, "it", upstream_status=503)) is Outcome.PRESSURE
