"""What the gateway itself says is read by each maker's own client as that maker's."""

import json
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types.shared import ErrorResponse
from openai.types.responses import ResponseErrorEvent
from pydantic import TypeAdapter

from chassis.errors import Reason, RunestoneError
from gateway_edge.door.errors import MEANINGS, http_status
from gateway_edge.endpoints.voices import ANTHROPIC, OPENAI, RESPONSES

FAILED = RunestoneError(Reason.PROVIDER_STREAM_CUT, "it broke off", param="messages[0]")
EVERY_ERROR = [RunestoneError(reason, "no") for reason in MEANINGS]
FIRST = b'event: message_start\ndata: {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", '
FIRST += b'"model": "x", "content": [], "stop_reason": null, "usage": {"input_tokens": 1, "output_tokens": 1}}}\n\n'


def data_of(event: bytes) -> Any:
    (line,) = [line for line in event.split(b"\n") if line.startswith(b"data: ")]
    return json.loads(line.removeprefix(b"data: "))


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: error.reason)
def test_anthropics_types_read_every_error(error: RunestoneError) -> None:
    """In its union of errors each kind is one that it knows, but for the size, which it knows by its status."""
    body = ANTHROPIC.write_body(error, "req_1")
    said = json.loads(body)
    assert said["request_id"] == "req_1"
    if http_status(error) != 413:
        TypeAdapter(ErrorResponse).validate_json(body)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (Reason.INVALID_REQUEST, "invalid_request_error"),
        (Reason.AUTHENTICATION_FAILED, "authentication_error"),
        (Reason.PERMISSION_DENIED, "permission_error"),
        (Reason.MODEL_NOT_FOUND, "not_found_error"),
        (Reason.BODY_TOO_LARGE, "request_too_large"),
        (Reason.RATE_LIMITED, "rate_limit_error"),
        (Reason.INTERNAL, "api_error"),
        (Reason.PROVIDER_UNREACHABLE, "api_error"),
        (Reason.PROVIDER_OVERLOADED, "overloaded_error"),
        (Reason.DEADLINE_EXCEEDED, "timeout_error"),
    ],
)
def test_anthropics_kind_goes_by_the_status(reason: Reason, kind: str) -> None:
    assert json.loads(ANTHROPIC.write_body(RunestoneError(reason, "no"), ""))["error"] == {
        "type": kind,
        "message": "no",
    }


def test_the_id_is_null_where_there_is_none() -> None:
    assert json.loads(ANTHROPIC.write_body(FAILED, ""))["request_id"] is None


def test_anthropics_sdk_skips_pings_and_raises_on_the_event() -> None:
    """Also in front of everything, where the gateway pings while the provider thinks."""
    stream = [ANTHROPIC.ping, FIRST, ANTHROPIC.ping, ANTHROPIC.write_event(FAILED, "req_1", FIRST)]
    events = list(anthropic._streaming.SSEDecoder().iter_bytes(iter(stream)))
    assert [event.event for event in events] == ["ping", "message_start", "ping", "error"]
    assert events[-1].json()["error"]["message"] == "it broke off"


def test_openais_types_read_the_event_of_responses_and_its_number_follows_the_last() -> None:
    last = (
        b'event: a\ndata: {"sequence_number":41,"type":"a"}\n\nevent: b\ndata: {"type":"b", "sequence_number": 42}\n\n'
    )
    event = RESPONSES.write_event(FAILED, "req_1", last)
    assert event.startswith(b"event: error\ndata: ") and event.endswith(b"\n\n")
    said = ResponseErrorEvent.model_validate(data_of(event))
    assert (said.sequence_number, said.code, said.param) == (43, "provider_stream_cut", "messages[0]")


def test_before_every_other_event_of_responses_the_number_is_the_first() -> None:
    assert data_of(RESPONSES.write_event(FAILED, "", b""))["sequence_number"] == 0


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: error.reason)
def test_an_event_of_responses_always_has_a_code(error: RunestoneError) -> None:
    assert data_of(RESPONSES.write_event(error, "", b""))["code"]


@pytest.mark.parametrize("voice", [OPENAI, RESPONSES])
def test_openais_clients_read_whole_errors_and_skip_pings(voice: Any) -> None:
    assert json.loads(voice.write_body(FAILED, "req_1"))["error"]["code"] == "provider_stream_cut"
    events = list(openai._streaming.SSEDecoder().iter_bytes(iter([voice.ping, b"data: 1\n\n"])))
    assert [event.data for event in events] == ["1"]
