"""What close codes mean."""

import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.realtime.codes import code_of_error, code_to_send, read_end


@pytest.mark.parametrize(("code", "sent"), [(1000, 1000), (4000, 4000), (1005, 1000), (1006, 1011), (1015, 1011)])
def test_codes_that_stand_in_no_frame_are_not_sent(code: int, sent: int) -> None:
    """RFC 6455, section 7.4.1."""
    assert code_to_send(code) == sent


@pytest.mark.parametrize("code", [1000, 1001, 1005])
def test_a_session_that_ended_well_is_no_failure(code: int) -> None:
    assert read_end(code, "", is_created=True) is None


@pytest.mark.parametrize("code", [1000, 1001, 1006, 4000])
def test_one_that_never_began_is_always_one(code: int) -> None:
    assert read_end(code, "no", is_created=False) is not None


def test_one_that_broke_off_was_cut() -> None:
    error = read_end(1006, "", is_created=True)
    assert error is not None
    assert error.reason is Reason.PROVIDER_STREAM_CUT


@pytest.mark.parametrize(
    ("reason", "retry_after", "code"),
    [
        (Reason.MODEL_NOT_FOUND, None, 1008),
        (Reason.PERMISSION_DENIED, None, 1008),
        (Reason.RATE_LIMITED, 2.0, 1013),
        (Reason.UNAVAILABLE, 1.0, 1013),
        (Reason.PROVIDER_UNREACHABLE, None, 1011),
        (Reason.DEADLINE_EXCEEDED, None, 1001),
    ],
)
def test_who_need_not_come_back_is_told_so(reason: Reason, retry_after: float | None, code: int) -> None:
    """OpenAI's SDK comes back after 1011 and 1013, never after 1008."""
    assert code_of_error(RunestoneError(reason, "x", retry_after=retry_after)) == code
