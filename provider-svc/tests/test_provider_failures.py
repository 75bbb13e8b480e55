from email.utils import formatdate

import orjson
import pytest

from chassis.errors import Reason
from provider_svc.failures import LONGEST_HINT, failure_of_object, failure_of_status, read_retry_after

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Reason.PROVIDER_REFUSED),
        (401, Reason.PROVIDER_CREDENTIALS_REFUSED),
        (403, Reason.PROVIDER_CREDENTIALS_REFUSED),
        (404, Reason.PROVIDER_REFUSED),
        (413, Reason.PROVIDER_REFUSED),
        (422, Reason.PROVIDER_REFUSED),
        (429, Reason.PROVIDER_RATE_LIMITED),
        (503, Reason.PROVIDER_OVERLOADED),
        (529, Reason.PROVIDER_OVERLOADED),
        *((status, Reason.PROVIDER_FAILED) for status in (201, 204, 301, 307, 402, 409, 418, 500, 502, 504, 599)),
    ],
)
def test_every_status_has_its_reason(status, reason):
    failure = failure_of_status(status, {}, b"", NOW)
    assert (failure.reason, failure.upstream_status) == (reason, status)


def test_the_providers_words_are_kept():
    error = {"message": "no such thing", "type": "invalid_request_error", "param": "messages[0]", "code": "bad"}
    failure = failure_of_status(400, {}, orjson.dumps({"error": error}), NOW)
    assert (failure.message, failure.param, failure.code) == ("no such thing", "messages[0]", "bad")


def test_the_type_stands_for_a_code_that_is_missing():
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"no"}}'
    assert failure_of_status(400, {}, body, NOW).code == "invalid_request_error"


@pytest.mark.parametrize("body", [b'{"error":"plain"}', b'{"message":"plain"}', b'{"detail":"plain"}'])
def test_imitations_messages_are_found(body):
    assert failure_of_status(400, {}, body, NOW).message == "plain"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><b>secret</b></html>",
        b"\xff\xfe\x00",
        b"[1,2]",
        b"null",
        b'{"error":null}',
        b'{"error":{"message":7}}',
    ],
)
def test_a_body_that_says_nothing_is_still_a_sentence(body):
    message = failure_of_status(500, {}, body, NOW).message
    assert message
    assert "<" not in message
    assert message.isprintable()


def test_long_bodies_are_cut():
    assert len(failure_of_status(500, {}, b"word " * 10_000, NOW).message) < 200
    assert len(failure_of_status(400, {}, orjson.dumps({"error": {"message": "x" * 9_999}}), NOW).message) <= 2_000


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_refused_key_is_known_by_its_code_under_any_type_and_status(status):
    """As OpenAI says it in a stream, and servers that imitate it with status 400."""
    error = {"type": "invalid_request_error", "code": "invalid_api_key", "message": "Incorrect API key: sk-canary"}
    body = {"error": error}
    failure = failure_of_object(body) if status == 200 else failure_of_status(status, {}, orjson.dumps(body), 0.0)
    assert failure.reason is Reason.PROVIDER_CREDENTIALS_REFUSED
    assert "sk-canary" not in f"{failure.message} {failure.code} {failure.param}"


@pytest.mark.parametrize("status", [401, 403])
def test_a_message_that_may_quote_the_key_is_not_kept(status):
    body = b'{"error":{"message":"Incorrect API key provided: sk-canary"}}'
    assert "canary" not in failure_of_status(status, {}, body, NOW).message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "20", "retry-after": "3"}, 0.02),
        ({"retry-after": formatdate(NOW + 40, usegmt=True)}, 40.0),
        ({"retry-after": formatdate(NOW - 40, usegmt=True)}, 0.0),
        ({"retry-after": "99999999999"}, LONGEST_HINT),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "x", "retry-after": "2"}, 2.0),
        ({}, None),
    ],
)
def test_hints_are_read_in_every_form_that_providers_use(headers, seconds):
    assert read_retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"type": "overloaded_error", "message": "m"}, Reason.PROVIDER_OVERLOADED),
        ({"code": "rate_limit_exceeded", "message": "m"}, Reason.PROVIDER_RATE_LIMITED),
        ({"type": "authentication_error", "message": "sk-canary"}, Reason.PROVIDER_CREDENTIALS_REFUSED),
        ({"type": "odd", "message": "m"}, Reason.PROVIDER_FAILED),
        ("text", Reason.PROVIDER_FAILED),
    ],
)
def test_an_error_object_means_what_its_type_says(error, reason):
    failure = failure_of_object({"error": error})
    assert failure is not None
    assert failure.reason is reason
    assert "canary" not in failure.message


@pytest.mark.parametrize("document", [{}, {"error": None}, {"error": {}}, [], None, "error"])
def test_what_is_no_error_object_is_no_failure(document):
    assert failure_of_object(document) is None
