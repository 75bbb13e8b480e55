"""What a first message asks, as a request would."""

import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.grpc_door.question import read_address, read_first, read_headers
from runestone.gateway.v1.gateway_pb2 import Attach, CallRequest, Control, Open


def test_chat_is_asked_where_no_endpoint_is_named() -> None:
    asked = read_first(CallRequest(open=Open(body=b"{}")), {})
    assert (asked.method, asked.path, asked.body, asked.is_resumable) == ("POST", "/v1/chat/completions", b"{}", False)


def test_stream_takes_the_place_of_the_bodys_own() -> None:
    asked = read_first(CallRequest(open=Open(body=b'{"stream": true, "n": 1.0}', stream=False)), {})
    assert asked.body == b'{"stream":false,"n":1.0}'
    untouched = read_first(CallRequest(open=Open(body=b'{"stream": true}')), {})
    assert untouched.body == b'{"stream": true}'


def test_own_headers_go_before_metadata_and_resumable_is_one() -> None:
    opening = Open(body=b"{}", headers={"X-Runestone-Tags": "a"}, resumable=True)
    asked = read_first(CallRequest(open=opening), {"x-runestone-tags": "b", "traceparent": "t"})
    assert asked.headers == {"x-runestone-tags": "a", "traceparent": "t", "x-runestone-resumable": "1"}
    assert asked.is_resumable


@pytest.mark.parametrize("name", ["authorization", "X-API-Key", "api-key"])
def test_credentials_belong_in_metadata(name: str) -> None:
    """Else two readers could take them for two callers."""
    with pytest.raises(RunestoneError, match="metadata") as caught:
        read_first(CallRequest(open=Open(headers={name: "secret-0123456789"})), {})
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("value", ["a\nb", "a\r\nx: y", "\0"])
def test_no_header_splits_another(value: str) -> None:
    with pytest.raises(RunestoneError):
        read_first(CallRequest(open=Open(headers={"x-runestone-tags": value})), {})


def test_attaching_is_getting_the_stream_from_where_it_was_left() -> None:
    asked = read_first(CallRequest(attach=Attach(stream_id="req_01", after_seq=7)), {})
    assert (asked.method, asked.path, asked.query) == ("GET", "/v1/streams/req_01", "starting_after=7")
    assert (asked.stream_id, asked.after_seq) == ("req_01", 7)


@pytest.mark.parametrize("stream_id", ["", "a/b", "../models", "x" * 129, "a?b"])
def test_an_id_that_no_stream_has_is_refused(stream_id: str) -> None:
    with pytest.raises(RunestoneError) as caught:
        read_first(CallRequest(attach=Attach(stream_id=stream_id)), {})
    assert caught.value.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize("request_", [CallRequest(), CallRequest(control=Control(action=Control.ACTION_PAUSE))])
def test_who_says_neither_is_refused(request_: CallRequest) -> None:
    with pytest.raises(RunestoneError, match="first message"):
        read_first(request_, {})


@pytest.mark.parametrize(
    ("own", "time_left", "timeout"),
    [
        ({}, 5.02, "5000"),
        ({"x-runestone-timeout-ms": "300"}, 5.0, "300"),
        ({"x-runestone-timeout-ms": "9999"}, 5.02, "5000"),
    ],
)
def test_the_shorter_of_two_deadlines_holds(own: dict[str, str], time_left: float, timeout: str) -> None:
    assert read_headers(own.items(), time_left)["x-runestone-timeout-ms"] == timeout


def test_binary_metadata_is_no_header() -> None:
    assert read_headers([("a", "b"), ("c-bin", b"\0")], None) == {"a": "b"}


@pytest.mark.parametrize(
    ("peer", "address"),
    [("ipv4:10.0.0.7:1", "10.0.0.7"), ("ipv6:%5B::1%5D:50", "::1"), ("ipv6:[::1]:50", "::1"), ("unix:/x", "")],
)
def test_the_callers_address_is_its_peers(peer: str, address: str) -> None:
    assert read_address(peer) == address
