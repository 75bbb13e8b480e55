"""What SDKs read of an error."""

import orjson
import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.door.errors import MEANINGS, error_body, error_event, error_headers, http_status

PROMISED = {400, 401, 403, 404, 408, 409, 413, 422, 429, 499, 500, 502, 503, 504}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_promised_status(reason: Reason) -> None:
    assert MEANINGS[reason].status in PROMISED


def test_the_body_is_openais() -> None:
    body = orjson.loads(error_body(RunestoneError(Reason.INVALID_REQUEST, "wrong", param="messages[0].role")))
    assert body == {
        "error": {"message": "wrong", "type": "invalid_request_error", "param": "messages[0].role", "code": None}
    }


@pytest.mark.parametrize(("upstream", "status"), [(400, 400), (404, 404), (413, 413), (422, 422), (418, 400), (0, 400)])
def test_a_providers_refusal_keeps_its_status_where_it_means_the_request(upstream: int, status: int) -> None:
    assert http_status(RunestoneError(Reason.PROVIDER_REFUSED, "no", upstream_status=upstream)) == status


def test_a_providers_refused_credentials_are_not_the_clients_fault() -> None:
    error = RunestoneError(Reason.PROVIDER_CREDENTIALS_REFUSED, "no", upstream_status=401)
    assert http_status(error) == 502
    assert error_headers(error) == {"x-should-retry": "false"}


@pytest.mark.parametrize(
    ("wait", "milliseconds", "seconds"),
    [(0.0001, "1", "1"), (1.0, "1000", "1"), (1.0001, "1001", "2"), (59.9, "59900", "60")],
)
def test_retry_hints_never_come_too_early(wait: float, milliseconds: str, seconds: str) -> None:
    headers = error_headers(RunestoneError(Reason.RATE_LIMITED, "slow down", retry_after=wait))
    assert (headers["retry-after-ms"], headers["retry-after"], headers["x-should-retry"]) == (
        milliseconds,
        seconds,
        "true",
    )


def test_an_error_event_is_whole_and_has_no_done() -> None:
    event = error_event(RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut"))
    assert event.startswith(b'data: {"error"') and event.endswith(b"}\n\n") and b"[DONE]" not in event
