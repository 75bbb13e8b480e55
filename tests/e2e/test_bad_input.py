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
            assert stages == ["door", "record", "settle", "authenticate", "validate", "rate_limit", "cache", "call"]
            assert answer.headers["traceparent"].startswith("00-")
            assert answer.headers["x-runestone-provider"] == "sim"
            assert answer.headers["x-runestone-attempts"] == "1"
