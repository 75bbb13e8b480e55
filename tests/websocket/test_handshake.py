"""How a WebSocket is opened, and whom it is refused: before the upgrade, with an HTTP answer in OpenAI's words."""

import base64
import json
from collections.abc import AsyncIterator

import pytest
from raw_websocket import TEXT, Frame, connected, frame, handshake
from socket_stage import KEY, OTHER, PATH, Stage, until

PHX = "base64url.bearer.phx." + base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("=")
WRONG = "wrong-key-0123456789"


@pytest.fixture
def stage() -> Stage:
    return Stage({"edge": {"websocket": {"origins": ["https://app.example"]}}})


@pytest.fixture
async def port(stage: Stage) -> AsyncIterator[int]:
    async with stage.listening() as port:
        yield port


async def status_of(port: int, request: bytes) -> int:
    async with connected(port, request) as client:
        return int(client.answer.split()[1])


async def test_the_answer_is_the_one_of_the_specification(port: int) -> None:
    """RFC 6455, section 1.3, has the key and what answers it."""
    async with connected(port) as client:
        head, *lines = client.answer.decode().lower().split("\r\n")
        assert head == "http/1.1 101 switching protocols"
        assert {"upgrade: websocket", "connection: upgrade"} <= set(lines)
        assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in client.answer
        assert b"x-request-id: req_" in client.answer
        assert b"sec-websocket-protocol" not in client.answer


@pytest.mark.parametrize(
    "request_",
    [
        handshake(),
        handshake(upgrade="WebSocket", connection="keep-alive, UPGRADE"),
        handshake(f"{PATH}?vsn=2.0.0&api_key={KEY}", authorization=None),
        handshake(f"{PATH}?token={KEY}", authorization=None),
        handshake(f"{PATH}?token={KEY}"),
        handshake(authorization=None, x_api_key=KEY),
        handshake(authorization=None, api_key=KEY),
        handshake(authorization=None, sec_websocket_protocol=f"phoenix, {PHX}"),
        handshake(authorization=None, sec_websocket_protocol=f"realtime, openai-insecure-api-key.{KEY}"),
        handshake(origin="https://app.example"),
        handshake(origin="https://edge.example"),
        handshake(origin="http://edge.example:8080", host="edge.example:8080"),
        handshake("/v1/responses"),
        handshake("/responses"),
        handshake("/openai/v1/responses"),
    ],
)
async def test_a_good_handshake_opens_a_socket(port: int, request_: bytes) -> None:
    async with connected(port, request_ + frame(TEXT, b"already")) as client:
        assert client.answer.startswith(b"HTTP/1.1 101 ")
        assert await client.receive() == Frame(TEXT, b"already")


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (handshake(upgrade=None, connection=None), 426, None),
        (handshake(sec_websocket_version="8"), 426, None),
        (handshake(sec_websocket_version=None), 426, None),
        (handshake(connection="keep-alive"), 400, "invalid_handshake"),
        (handshake(sec_websocket_key=None), 400, "invalid_handshake"),
        (handshake(sec_websocket_key="c2hvcnQ="), 400, "invalid_handshake"),
        (handshake(sec_websocket_key="!" * 24), 400, "invalid_handshake"),
        (handshake().replace(b"HTTP/1.1", b"HTTP/1.0"), 400, "invalid_handshake"),
        (handshake(f"{PATH}?" + "a=1&" * 65), 400, None),
        (handshake(f"{PATH}?api_key={KEY}&api_key={KEY}"), 400, None),
        (handshake(authorization=None), 401, "invalid_api_key"),
        (handshake(authorization=f"Bearer {WRONG}"), 401, "invalid_api_key"),
        (handshake(authorization=f"Basic {KEY}"), 401, "invalid_api_key"),
        (handshake(f"{PATH}?api_key={WRONG}", authorization=None), 401, "invalid_api_key"),
        (handshake(f"{PATH}?api_key={WRONG}"), 401, "ambiguous_credentials"),
        (handshake(f"{PATH}?api_key={KEY}&token={WRONG}", authorization=None), 401, "ambiguous_credentials"),
        (handshake(x_api_key=WRONG), 401, "ambiguous_credentials"),
        (handshake(authorization=None, sec_websocket_protocol="base64url.bearer.phx.!"), 401, "invalid_api_key"),
        (handshake(authorization=f"Bearer {OTHER}"), 403, "endpoint_not_allowed"),
        (handshake(origin="https://evil.example"), 403, "origin_not_allowed"),
        (handshake(origin="https://app.example.evil.example"), 403, "origin_not_allowed"),
        (handshake(origin="null"), 403, "origin_not_allowed"),
        (handshake(origin="http://[::1"), 403, "origin_not_allowed"),
        (handshake(origin="https://[edge.example]"), 403, "origin_not_allowed"),
        (handshake(origin="https://edge.example:444"), 403, "origin_not_allowed"),
        (handshake("/v1/nowhere"), 404, "unknown_url"),
    ],
)
async def test_a_bad_one_is_refused_before_the_upgrade(
    port: int, request_: bytes, status: int, code: str | None
) -> None:
    async with connected(port, request_) as client:
        assert int(client.answer.split()[1]) == status, client.answer
        length = int(client.answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        error = json.loads(await client.read(length))["error"]
        assert error["code"] == code
        if status == 426:
            assert b"sec-websocket-version: 13" in client.answer
            assert b"upgrade: websocket" in client.answer


async def test_a_phoenix_token_answers_the_subprotocol(port: int) -> None:
    """And is answered nowhere else."""
    request = handshake(authorization=None, sec_websocket_protocol=f"phoenix, {PHX}")
    async with connected(port, request) as client:
        assert b"\r\nsec-websocket-protocol: phoenix\r\n" in client.answer
        assert PHX.encode() not in client.answer


async def test_a_path_that_answers_http_too_is_left_to_http_without_an_upgrade(port: int) -> None:
    assert await status_of(port, handshake("/v1/responses", upgrade=None, connection=None)) == 404


async def test_a_port_for_websockets_serves_nothing_else(stage: Stage) -> None:
    async with stage.listening(alone=True) as port:
        assert await status_of(port, handshake()) == 101
        assert await status_of(port, handshake("/v1/models", upgrade=None, connection=None)) == 404
        assert await status_of(port, handshake().replace(b"GET", b"POST")) == 404
        assert await status_of(port, handshake("/v1/responses", upgrade=None, connection=None)) == 426


async def test_keys_in_the_target_reach_no_application_log_or_metric(stage: Stage, port: int) -> None:
    canary = "canary-key-0123456789"
    for target in (f"{PATH}?api_key={canary}", f"{PATH}?token={canary}&vsn=2", f"/nowhere?api_key={canary}"):
        await status_of(port, handshake(target, authorization=None))
    async with connected(port, handshake(f"{PATH}?api_key={KEY}&vsn=2.0.0", authorization=None)):
        await until(lambda: stage.opened)
    assert stage.opened[0].socket.parameters == {"vsn": "2.0.0"}
    told = repr(stage.log.lines) + stage.metrics.exposition().decode() + repr(stage.opened[0].socket)
    assert canary not in told
    assert KEY not in told


async def test_handshakes_are_counted_by_what_became_of_them(stage: Stage, port: int) -> None:
    await status_of(port, handshake(authorization=None))
    await status_of(port, handshake(origin="https://evil.example"))
    async with connected(port) as client:
        client.send(frame(TEXT, b"hi"))
        await client.receive()
        assert stage.measure("runestone_sockets_open") == {f'runestone_sockets_open{{endpoint="{PATH}"}}': 1.0}
    await until(lambda: not len(stage.sockets))
    refused = stage.measure("runestone_socket_handshakes_refused_total")
    assert sorted(refused.values()) == [1.0, 1.0]
    assert {"AUTHENTICATION_FAILED" in name or "PERMISSION_DENIED" in name for name in refused} == {True}
    assert set(stage.measure("runestone_socket_messages_total").values()) == {1.0}
    closes = stage.measure("runestone_socket_closes_total")
    assert closes == {f'runestone_socket_closes_total{{code="1006",endpoint="{PATH}"}}': 1.0}
