"""A request that came before, byte for byte: answered where it arrives, and not told apart from any other."""

import asyncio
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from real_mesh import ACME, LIMITED, OTHER, Mesh, mesh_running

from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

PER_CALL = {"x-request-id", "traceparent", "age", "server-timing", "date", "cache-status"}


def process_id(address: str) -> int:
    with grpc.insecure_channel(address) as channel:
        return (
            IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5, wait_for_ready=True).process_id
        )


class Answer:
    """One answer as it came over the wire."""

    def __init__(self, head: bytes, body: bytes) -> None:
        status, *lines = head.decode().split("\r\n")
        self.status = int(status.split()[1])
        self.headers = dict(line.split(": ", 1) for line in lines)
        self.body = body

    @property
    def is_repeat(self) -> bool:
        return self.headers.get("server-timing", "").startswith("repeat;")

    @property
    def constant(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name not in PER_CALL}


class Wire:
    """A connection on which requests are written in one go each."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, request: bytes) -> Answer:
        self._writer.write(request)
        return await self.read()

    async def read(self) -> Answer:
        async with asyncio.timeout(20):
            head = (await self._reader.readuntil(b"\r\n\r\n"))[:-4]
            answer = Answer(head, b"")
            if "content-length" in answer.headers:
                answer.body = await self._reader.readexactly(int(answer.headers["content-length"]))
            elif answer.headers.get("transfer-encoding") == "chunked":
                while size := int(await self._reader.readline(), 16):
                    answer.body += (await self._reader.readexactly(size + 2))[:-2]
                await self._reader.readline()
        return answer

    async def until_repeated(self, request: bytes) -> Answer:
        """Asks until it is answered where it arrives: the second answer is a hit, the copy may be one later."""
        async with asyncio.timeout(20):
            while not (answer := await self.ask(request)).is_repeat:
                await asyncio.sleep(0.01)
        return answer


@asynccontextmanager
async def connected(mesh: Mesh) -> AsyncIterator[Wire]:
    http = mesh.about["http"]
    reader, writer = await asyncio.open_connection(http["host"], http["port"])
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def request(key: str = ACME, *, headers: str = "", version: str = "1.1", **members: Any) -> bytes:
    """A question that was never asked before, as one piece."""
    question = {
        "model": "simulated",
        "messages": [{"role": "user", "content": uuid.uuid4().hex}],
        "temperature": 0,
        **members,
    }
    body = json.dumps(question, separators=(",", ":")).encode()
    head = f"POST /v1/chat/completions HTTP/{version}\r\nhost: x\r\nauthorization: Bearer {key}\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
async def test_a_repeated_request_is_answered_as_its_pipeline_would(mesh: Mesh, stream: bool) -> None:
    asked = request(stream=stream)
    async with connected(mesh) as wire:
        first = await wire.ask(asked)
        repeated = await wire.until_repeated(asked)
    async with connected(mesh) as wire:  # these bytes differ by a header that says nothing
        handled = await wire.ask(asked.replace(b"host: x\r\n", b"host: x\r\nx-more: y\r\n"))
    assert (first.headers["x-cache"], handled.headers["x-cache"], handled.is_repeat) == ("MISS", "HIT", False)
    assert repeated.constant == handled.constant
    assert repeated.headers.keys() == handled.headers.keys()
    assert repeated.body == handled.body == first.body
    assert repeated.headers["x-runestone-original-request-id"] == first.headers["x-request-id"]


async def test_each_repeated_call_is_on_record_and_counted(mesh: Mesh) -> None:
    asked = request()
    async with connected(mesh) as wire:
        first = await wire.ask(asked)
        repeated = [await wire.until_repeated(asked) for _ in range(3)]
    ids = [answer.headers["x-request-id"] for answer in repeated]
    assert len({first.headers["x-request-id"], *ids}) == 4
    original, *records = [mesh.audit(one) for one in (first.headers["x-request-id"], *ids)]
    for record in records:
        assert (record.cache, record.tenant, record.key, record.status) == ("HIT", "acme", "ci", 200)
        assert (record.usage, record.model, record.unbilled) == (original.usage, "simulated", True)
        assert record.bytes_sent == len(first.body) and record.client_address == "127.0.0.1"
        assert record.started_at.seconds and record.traceparent.split("-")[1]
    assert len({record.traceparent for record in records}) == 3


async def test_a_limit_counts_repeated_calls_and_refuses(mesh: Mesh) -> None:
    """Two a minute: the bytes are known by then, and that helps nobody past the limit."""
    asked = request(LIMITED)
    async with connected(mesh) as wire:
        statuses = [(await wire.ask(asked)).status for _ in range(6)]
    assert statuses.count(200) <= 2 and statuses[-1] == 429


async def test_others_bytes_are_others(mesh: Mesh) -> None:
    asked = request()
    async with connected(mesh) as wire:
        await wire.until_repeated(asked)
        other = await wire.ask(asked.replace(ACME.encode(), OTHER.encode()))
        nobody = await wire.ask(asked.replace(ACME.encode(), b"wrong-key-012345678901"))
    assert (other.status, other.headers["x-cache"]) == (200, "MISS")
    assert nobody.status == 401


@pytest.mark.parametrize(
    "headers",
    [
        "cache-control: max-age=1000\r\n",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n",
        "x-runestone-tags: a\r\n",
    ],
)
async def test_what_means_something_else_each_time_takes_its_pipeline(mesh: Mesh, headers: str) -> None:
    asked = request(headers=headers)
    async with connected(mesh) as wire:
        answers = [await wire.ask(asked) for _ in range(6)]
    assert not any(answer.is_repeat for answer in answers)
    assert {answer.headers["x-cache"] for answer in answers[2:]} == {"HIT"}


async def test_requests_that_come_in_pieces_or_several_at_once_are_all_answered(mesh: Mesh) -> None:
    asked = request()
    async with connected(mesh) as wire:
        expected = await wire.until_repeated(asked)
        for cut in (1, 20, len(asked) - 1):
            wire._writer.write(asked[:cut])
            await asyncio.sleep(0.02)
            wire._writer.write(asked[cut:])
            assert (await wire.read()).body == expected.body
        wire._writer.write(asked * 3)
        assert [(await wire.read()).body for _ in range(3)] == [expected.body] * 3
        wire._writer.write(asked + b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n")
        assert [(await wire.read()).status for _ in range(2)] == [200, 404]
        assert (await wire.ask(asked)).is_repeat, "the connection goes on"


async def test_an_old_client_gets_its_connection_closed_as_ever(mesh: Mesh) -> None:
    asked = request(version="1.0")
    for _ in range(4):
        async with connected(mesh) as wire:
            answer = await wire.ask(asked)
            assert not answer.is_repeat
            assert await wire._reader.read() == b""


@pytest.fixture(scope="module")
def own_mesh() -> Iterator[Mesh]:
    with mesh_running() as mesh:
        yield mesh


async def test_what_is_purged_is_not_answered_again(own_mesh: Mesh) -> None:
    asked = request()
    async with connected(own_mesh) as wire:
        repeated = await wire.until_repeated(asked)
        own_mesh.command("cache", "purge", "--key", repeated.headers["x-cache-key"], "--yes")
        async with asyncio.timeout(10):
            while (answer := await wire.ask(asked)).headers["x-cache"] == "HIT":
                await asyncio.sleep(0.005)  # told within moments, not in the same instant
        assert answer.headers["x-cache"] == "MISS"


async def test_a_key_that_is_taken_away_is_refused_at_once(own_mesh: Mesh) -> None:
    asked = request(OTHER)
    config = own_mesh.data_dir.parent / "runestone.yaml"
    async with connected(own_mesh) as wire:
        await wire.until_repeated(asked)
        settings = json.loads(config.read_text())
        settings["tenants"] = [tenant for tenant in settings["tenants"] if tenant["name"] != "other"]
        config.write_text(json.dumps(settings))
        own_mesh.command("reload")
        assert (await wire.ask(asked)).status == 401


async def test_while_cache_svc_is_away_no_copy_is_given_and_no_call_fails(own_mesh: Mesh) -> None:
    asked = request()
    async with connected(own_mesh) as wire:
        await wire.until_repeated(asked)
        os.kill(process_id(own_mesh.about["services"]["cache"]), signal.SIGKILL)
        seen = set()
        async with asyncio.timeout(20):
            while "MISS" not in seen:
                answer = await wire.ask(asked)
                assert answer.status == 200
                seen.add(answer.headers["x-cache"])
                await asyncio.sleep(0.01)
        await wire.until_repeated(asked)
