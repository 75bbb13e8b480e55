"""What a client gets for input that cannot be answered: always OpenAI's error shape, with the promised status."""

import asyncio
import gzip
import io
from typing import Any

import aiohttp
import pytest
from real_mesh import ACME, Mesh

GOOD = b'{"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}'
AUTH = {"authorization": f"Bearer {ACME}"}


async def post(
    mesh: Mesh, body: Any, path: str = "/v1/chat/completions", method: str = "POST", **headers: str
) -> tuple[int, dict[str, Any], Any]:
    async with aiohttp.ClientSession(mesh.url) as session:
        async with session.request(
            method, path, data=body, headers={**AUTH, "content-type": "application/json", **headers}
        ) as answer:
            document = await answer.json()
            assert set(document) == {"error"}
            assert set(document["error"]) == {"message", "type", "param", "code"}
            return answer.status, document["error"], answer.headers


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"", 400, None, None),
        (b"not json", 400, None, None),
        (b"[1, 2]", 400, None, None),
        (b'{"model": "simulated"', 400, None, None),
        (b'{"model": "simulated", "messages": "hi"}', 400, None, "messages"),
        (b'{"model": "simulated", "messages": []}', 400, None, "messages"),
        (b'{"model": "simulated", "messages": [{"content": "hi"}]}', 400, None, "messages[0]"),
        (
            b'{"model": "simulated", "model": "gpt-17", "messages": [{"role": "user", "content": "hi"}]}',
            400,
            None,
            None,
        ),
        (b'{"model": "simulated", "messages": [{"role": "user", "content": "\xff"}]}', 400, None, None),
        (b'{"model": "gpt-17", "messages": [{"role": "user", "content": "hi"}]}', 404, "model_not_found", "model"),
    ],
)
async def test_a_body_that_makes_no_sense(
    mesh: Mesh, body: bytes, status: int, code: str | None, param: str | None
) -> None:
    got_status, error, headers = await post(mesh, body)
    assert (got_status, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"
    assert headers["x-request-id"].startswith("req_")


async def test_a_body_above_the_bound(mesh: Mesh) -> None:
    status, error, _ = await post(mesh, io.BytesIO(b'{"model": "' + b"x" * (1 << 20) + b'"}'))
    assert (status, error["code"]) == (413, "body_too_large")


async def test_a_body_above_the_bound_that_hides_its_length(mesh: Mesh) -> None:
    async def chunks() -> Any:
        for _ in range(40):
            yield b"x" * (64 << 10)
            await asyncio.sleep(0)

    status, error, _ = await post(mesh, chunks())
    assert (status, error["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/unknown"), ("GET", "/v1/chat/completions"), ("POST", "/"), ("GET", "/v1")]
)
async def test_an_unknown_route(mesh: Mesh, method: str, path: str) -> None:
    status, error, _ = await post(mesh, b"" if method == "GET" else GOOD, path, method)
    assert (status, error["code"]) == (404, "unknown_url")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Bearer nobody"},
        {"authorization": "Basic eDp5"},
        {"authorization": "Bearer"},
    ],
)
async def test_no_key_or_a_wrong_one(mesh: Mesh, headers: dict[str, str]) -> None:
    status, error, _ = await post(mesh, GOOD, **headers)
    assert (status, error["code"], error["type"]) == (401, "invalid_api_key", "authentication_error")


@pytest.mark.parametrize("header", ["x-api-key", "api-key"])
async def test_other_places_for_the_key(mesh: Mesh, header: str) -> None:
    async with aiohttp.ClientSession(mesh.url) as session:
        async with session.post("/v1/chat/completions", data=GOOD, headers={header: ACME}) as answer:
            assert answer.status == 200


async def test_the_path_without_v1(mesh: Mesh) -> None:
    async with aiohttp.ClientSession(mesh.url, headers=AUTH) as session:
        async with session.post("/chat/completions", data=GOOD) as answer:
            assert answer.status == 200


async def test_a_compressed_body_is_refused_not_inflated(mesh: Mesh) -> None:
    status, _, _ = await post(mesh, gzip.compress(b"\0" * (64 << 20)), **{"content-encoding": "gzip"})
    assert status == 400


async def test_a_clients_own_deadline(mesh: Mesh) -> None:
    body = GOOD.replace(b"simulated", b"sim/latency=5s")
    status, error, _ = await post(mesh, body, **{"x-runestone-timeout-ms": "300"})
    assert (status, error["code"]) in {(504, "deadline_exceeded"), (504, "provider_timeout")}


async def test_every_answer_says_where_its_time_went(mesh: Mesh) -> None:
    async with aiohttp.ClientSession(mesh.url, headers=AUTH) as session:
        async with session.post("/v1/chat/completions", data=GOOD) as answer:
            stages = [part.split(";")[0] for part in answer.headers["server-timing"].split(", ")]
            assert stages == [
                *("door", "record", "settle", "identify", "admit", "choose"),
                *("authenticate", "validate", "idempotency", "rate_limit", "cache", "call"),
            ]
            assert answer.headers["traceparent"].startswith("00-")
            assert answer.headers["x-runestone-provider"] == "sim"
            assert answer.headers["x-runestone-attempts"] == "1"


async def ask_raw(mesh: Mesh, *headers: bytes, body: bytes = GOOD, patience: float = 10.0) -> bytes:
    """What a client that writes its own bytes reads until the connection ends."""
    about = mesh.about["http"]
    reader, writer = await asyncio.open_connection(about["host"], about["port"])
    length = b"content-length: %d" % len(body)
    writer.write(
        b"\r\n".join([b"POST /v1/chat/completions HTTP/1.1", b"host: x", b"connection: close", length, *headers])
        + b"\r\n\r\n"
        + body
    )
    async with asyncio.timeout(patience):
        answer = await reader.read()
    writer.close()
    return answer


def request_id(answer: bytes) -> str:
    return answer.lower().split(b"x-request-id: ")[1].split(b"\r\n")[0].decode()


async def test_a_header_that_is_no_text_does_not_escape_the_record(mesh: Mesh) -> None:
    answer = await ask_raw(mesh, b"authorization: Bearer " + ACME.encode(), b"x-request-id: \xff\xfe")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert mesh.audit(request_id(answer)).status == 200


async def test_a_key_that_is_no_text_is_a_wrong_key(mesh: Mesh) -> None:
    assert (await ask_raw(mesh, b"authorization: Bearer \xff\xfe")).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("depth", [300, 1200])
async def test_a_body_that_is_nested_deeply_is_the_clients_fault_or_answered(mesh: Mesh, depth: int) -> None:
    body = GOOD[:-1] + b', "temperature": 0, "x": ' + b"[" * depth + b"]" * depth + b"}"
    answer = await ask_raw(mesh, b"authorization: Bearer " + ACME.encode(), body=body)
    assert answer.split(b" ")[1] in {b"200", b"400"}


async def test_a_client_that_does_not_read_is_ended_at_its_deadline(mesh: Mesh) -> None:
    """And its record says so; the call does not live as long as the connection."""
    about = mesh.about["http"]
    reader, writer = await asyncio.open_connection(about["host"], about["port"], limit=1024)
    body = b'{"model": "sim/words=100000", "messages": [{"role": "user", "content": "hi"}], "stream": true}'
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-runestone-timeout-ms: 1500\r\nauthorization: Bearer "
        + ACME.encode()
    )
    writer.write(head + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    async with asyncio.timeout(10):
        headers = await reader.readuntil(b"\r\n\r\n")
    record = await asyncio.to_thread(mesh.audit, request_id(headers))
    assert record.status == 504
    writer.close()
