"""The gRPC door as another service of the cluster uses it, with the generated client and what any gRPC client has."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
from fake_provider import FakeProvider
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from real_mesh import ACME, LIMITED, Mesh, mesh_running

from runestone.gateway.v1.gateway_pb2 import Attach, CallRequest, CallResponse, Control, Open
from runestone.gateway.v1.gateway_pb2_grpc import GatewayServiceStub
from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest, GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

LONG = (
    "words=40000,pace=0"  # far more than the kernel and HTTP/2 hold between a provider and a caller that does not read
)
PATIENCE = 20.0


def question(model: str = "simulated", **members: Any) -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], **members}).encode()


def asking(model: str = "simulated", *, headers: dict[str, str] | None = None, **members: Any) -> CallRequest:
    return CallRequest(open=Open(body=question(model, **members), headers=headers or {}))


def steering(action: Control.Action.ValueType) -> CallRequest:
    return CallRequest(control=Control(action=action))


def key(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


def kind(message: CallResponse) -> str:
    return message.WhichOneof("message") or ""


def body_of(messages: list[CallResponse]) -> bytes:
    return b"".join(message.data.body for message in messages)


@asynccontextmanager
async def door(mesh: Mesh) -> AsyncIterator[GatewayServiceStub]:
    about = mesh.about["grpc"]
    # Without the probe the client's window stays at 64 KiB; with it, it may grow to all that a test's answer has.
    options = [("grpc.http2.bdp_probe", 0)]
    async with grpc.aio.insecure_channel(f"{about['host']}:{about['port']}", options=options) as channel:
        yield GatewayServiceStub(channel)


async def ask(stub: GatewayServiceStub, *requests: CallRequest, secret: str = ACME) -> list[CallResponse]:
    """All that is said to it, in order; half-closed at once."""

    async def say() -> AsyncIterator[CallRequest]:
        for request in requests:
            yield request

    return [message async for message in stub.Call(say(), metadata=key(secret), timeout=PATIENCE)]


async def read_rest(call: Any) -> list[CallResponse]:
    """What is still to come, of an rpc that ends well."""
    messages = []
    while (message := await call.read()) is not grpc.aio.EOF:
        messages.append(message)
    assert await call.code() is grpc.StatusCode.OK
    return messages


async def refusal(stub: GatewayServiceStub, *requests: CallRequest, secret: str = ACME) -> tuple[Any, ...]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(stub, *requests, secret=secret)
    status, info, hint = rpc_status.from_call(caught.value), ErrorInfo(), RetryInfo()
    assert status is not None, caught.value
    found = [detail.Unpack(info) or detail.Unpack(hint) for detail in status.details]
    assert all(found)
    assert info.domain == "runestone"
    return caught.value.code(), info.reason, hint.retry_delay.ToTimedelta().total_seconds()


async def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        await asyncio.sleep(0.02)


async def wait_until_still(read: Callable[[], int]) -> int:
    """What `read` gives when it has given the same for a while."""
    deadline, before, since = time.monotonic() + PATIENCE, -1, time.monotonic()
    while time.monotonic() - since < 1.0:
        assert time.monotonic() < deadline, "it never stops"
        now = read()
        if now != before:
            before, since = now, time.monotonic()
        await asyncio.sleep(0.05)
    return before


@pytest.fixture
async def provider(mesh: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(mesh.fake_port) as fake:
        yield fake


async def test_a_document_is_the_one_that_http_answers(mesh: Mesh) -> None:
    """Headers, body, and behind them what was used; the audit record is an HTTP call's."""
    async with door(mesh) as stub:
        messages = await ask(stub, asking("sim/words=5"))
    assert [kind(message) for message in messages] == ["accepted", "data", "completed"]
    accepted, completed = messages[0].accepted, messages[-1].completed
    assert json.loads(body_of(messages))["choices"][0]["message"]["content"]
    assert (accepted.provider, accepted.content_type, accepted.stream_id) == ("sim", "application/json", "")
    assert accepted.headers["x-request-id"] == accepted.call_id
    assert completed.usage.output_tokens == 5
    assert completed.finish_reason == "stop"
    record = await asyncio.to_thread(mesh.audit, accepted.call_id)
    assert (record.tenant, record.key, record.status, record.endpoint) == ("acme", "ci", 200, "/v1/chat/completions")
    assert record.usage.output_tokens == 5


async def test_a_stream_is_the_events_of_http_numbered(mesh: Mesh) -> None:
    async with door(mesh) as stub, aiohttp.ClientSession(mesh.url) as session:
        request = CallRequest(open=Open(body=question("sim/words=30,pace=5ms"), stream=True))
        messages = await ask(stub, request)
        headers = {"authorization": f"Bearer {ACME}"}
        body = json.loads(question("sim/words=30", stream=True))
        async with session.post("/v1/chat/completions", json=body, headers=headers) as answer:
            over_http = [event for event in (await answer.read()).split(b"\n\n") if event.startswith(b"data:")]
    data = [message.data for message in messages if kind(message) == "data"]
    assert messages[0].accepted.content_type.startswith("text/event-stream")
    events = [one.body[start:end] for one in data for start, end in zip([0, *one.ends], one.ends, strict=False)]
    numbers = [number for one in data for number in range(one.first_seq, one.first_seq + len(one.ends))]
    assert numbers == list(range(1, len(over_http) + 1))
    assert b"".join(events) == body_of(messages)
    assert events[-1] == b"data: [DONE]\n\n"
    assert kind(messages[-1]) == "completed"
    assert messages[-1].completed.usage.output_tokens == 30


async def test_every_endpoint_and_language_is_there(mesh: Mesh) -> None:
    body = json.dumps({"model": "claude", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}).encode()
    request = Open(endpoint="/v1/messages", body=body, headers={"anthropic-version": "2023-06-01"})
    async with FakeProvider(mesh.fake_port), door(mesh) as stub:
        messages = await ask(stub, CallRequest(open=request))
    assert json.loads(body_of(messages))["type"] == "message"


async def test_an_answer_is_shared_with_http_callers_by_the_cache(mesh: Mesh, provider: FakeProvider) -> None:
    """The same question is asked once, whichever door it comes through; a cached answer streams too."""
    unlike_others = uuid.uuid4().hex
    headers = {"authorization": f"Bearer {ACME}"}
    body = json.loads(question("fake/words=6", temperature=0, user=unlike_others, stream=True))
    async with door(mesh) as stub, aiohttp.ClientSession(mesh.url) as session:
        async with session.post("/v1/chat/completions", json=body, headers=headers) as answer:
            first = await answer.read()
        messages = await ask(stub, asking("fake/words=6", temperature=0, user=unlike_others, stream=True))
    assert messages[0].accepted.cache == "HIT"
    assert body_of(messages) == first
    assert provider.requests == 1


async def test_refusals_are_statuses_with_their_reason(mesh: Mesh) -> None:
    """Code, reason, and exactly when to come back: as between the services of the mesh."""
    attach = CallRequest(attach=Attach(stream_id="no/such id"))
    twice = CallRequest(open=Open(body=question(), headers={"Authorization": "Bearer x"}))
    nowhere = CallRequest(open=Open(endpoint="/v1/nothing", body=question()))
    codes = grpc.StatusCode
    async with door(mesh) as stub:
        assert (await refusal(stub, asking(), secret="nobody's"))[:2] == (
            codes.UNAUTHENTICATED,
            "AUTHENTICATION_FAILED",
        )
        assert (await refusal(stub, asking("none/such")))[:2] == (codes.NOT_FOUND, "MODEL_NOT_FOUND")
        assert (await refusal(stub, asking(n="x")))[:2] == (codes.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert (await refusal(stub, nowhere))[:2] == (codes.UNIMPLEMENTED, "ROUTE_NOT_FOUND")
        for request in ((), (steering(Control.ACTION_PAUSE),), (attach,), (twice,)):
            assert (await refusal(stub, *request))[:2] == (codes.INVALID_ARGUMENT, "INVALID_REQUEST"), request
        large = CallRequest(open=Open(body=b"x" * ((1 << 20) + 1)))
        assert (await refusal(stub, large))[:2] == (codes.INVALID_ARGUMENT, "BODY_TOO_LARGE")


async def test_a_limit_holds_over_both_doors_and_says_when_to_come_back(mesh: Mesh) -> None:
    async with door(mesh) as stub, aiohttp.ClientSession(mesh.url) as session:
        outcomes = []
        for _ in range(2):
            headers = {"authorization": f"Bearer {LIMITED}"}
            async with session.post("/v1/chat/completions", json=json.loads(question()), headers=headers) as answer:
                outcomes.append(answer.status)
        code, reason, seconds = await refusal(stub, asking(), secret=LIMITED)
    assert 200 in outcomes or outcomes == [429, 429]  # another run of this test may have used them up
    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert 0 < seconds <= 60


async def test_a_stream_that_breaks_ends_with_failed(mesh: Mesh, provider: FakeProvider) -> None:
    """The rpc is OK, the answer is not: no `completed`, no `[DONE]`."""
    async with door(mesh) as stub:
        messages = await ask(stub, asking("fake/words=20,cut_events=5", stream=True))
    assert [kind(messages[0]), kind(messages[-1])] == ["accepted", "failed"]
    assert messages[-1].failed.error.reason
    assert messages[-1].failed.last_seq > 0
    assert b"[DONE]" not in body_of(messages)


async def test_cancelling_the_rpc_closes_the_providers_socket(mesh: Mesh, provider: FakeProvider) -> None:
    """Before the first byte, and in the middle; the record says that the caller left."""
    async with door(mesh) as stub:
        for wish, stream in (("latency=60s", False), ("words=2000,pace=20ms", True)):
            number = provider.requests + 1
            call = stub.Call(metadata=key(ACME), timeout=PATIENCE)
            await call.write(asking(f"fake/{wish}", stream=stream))
            exchange = await provider.exchange(number)
            call_id = (await call.read()).accepted.call_id if stream else ""
            call.cancel()
            await exchange.wait_closed()
            if call_id:
                assert (await asyncio.to_thread(mesh.audit, call_id)).status == 499


async def test_the_rpcs_deadline_ends_the_call_down_to_the_provider(mesh: Mesh, provider: FakeProvider) -> None:
    async with door(mesh) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            call = stub.Call(iter([asking("fake/latency=60s")]), metadata=key(ACME), timeout=0.7)
            async for _ in call:
                pass
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await (await provider.exchange(1)).wait_closed()


async def test_a_caller_that_cancels_by_message_is_told_so(mesh: Mesh, provider: FakeProvider) -> None:
    async with door(mesh) as stub:
        call = stub.Call(metadata=key(ACME), timeout=PATIENCE)
        await call.write(asking("fake/words=2000,pace=20ms", stream=True))
        assert kind(await call.read()) == "accepted"
        await call.write(steering(Control.ACTION_CANCEL))
        last = (await read_rest(call))[-1]
        await (await provider.exchange(1)).wait_closed()
    assert kind(last) == "failed"
    assert last.failed.error.message == "the caller cancelled the call"


@pytest.mark.parametrize("how", ["pause", "does not read"])
async def test_who_pauses_or_does_not_read_has_the_provider_wait(mesh: Mesh, provider: FakeProvider, how: str) -> None:
    """The provider's writes stop at its socket; going on, everything comes, in order."""
    async with door(mesh) as stub:
        call = stub.Call(metadata=key(ACME), timeout=60)
        await call.write(asking(f"fake/{LONG}", stream=True))
        messages = [await call.read()]
        if how == "pause":
            await call.write(steering(Control.ACTION_PAUSE))
            while kind(messages[-1]) != "controlled":
                messages.append(await call.read())
            assert messages[-1].controlled.paused
        exchange = await provider.exchange(1)
        held = await wait_until_still(lambda: exchange.written)
        if how == "pause":
            await call.write(steering(Control.ACTION_RESUME))
        await call.done_writing()
        messages += await read_rest(call)
        assert exchange.written > held > 0
    assert kind(messages[-1]) == "completed"
    assert messages[-1].completed.usage.output_tokens == 40_000
    data = [message.data for message in messages if kind(message) == "data"]
    ends = [one.first_seq + len(one.ends) for one in data]
    assert [one.first_seq for one in data] == [1, *ends[:-1]]
    assert body_of(messages).endswith(b"data: [DONE]\n\n")


async def test_what_follows_must_be_control(mesh: Mesh) -> None:
    async with door(mesh) as stub:
        long = asking("sim/words=2000,pace=20ms", stream=True)
        messages = []
        call = stub.Call(metadata=key(ACME), timeout=PATIENCE)
        await call.write(long)
        messages.append(await call.read())
        await call.write(long)
        messages += await read_rest(call)
    assert kind(messages[-1]) == "failed"


async def test_any_grpc_client_finds_its_way(mesh: Mesh) -> None:
    """Reflection tells what can be called, as grpcurl asks it; health says that it can be."""
    about = mesh.about["grpc"]

    def look() -> tuple[Any, Any, Any]:
        with grpc.insecure_channel(f"{about['host']}:{about['port']}") as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            services = list(database.get_services())
            file = database.FindFileContainingSymbol("runestone.gateway.v1.GatewayService")
            stub = health_pb2_grpc.HealthStub(channel)
            service = "runestone.gateway.v1.GatewayService"
            return services, file, stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status

    services, file, status = await asyncio.to_thread(look)
    assert "runestone.gateway.v1.GatewayService" in services
    assert [service.name for service in file.service] == ["GatewayService"]
    assert status == health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Mesh]:
    edge = {
        "workers": 2,
        "http": {"port": 0},
        "admin": {"port": 0},
        "websocket": {"port": 0, "pause_window": "500ms"},
        "grpc": {"port": 0},
        "drain": {"grace": "1s"},
    }
    with mesh_running(edge=edge) as running:
        yield running


async def test_all_workers_share_the_port(two_workers: Mesh) -> None:
    """Every connection is one worker's; that worker's calls are told apart by its metrics."""
    about = two_workers.about["grpc"]
    target = f"{about['host']}:{about['port']}"
    options = [("grpc.use_local_subchannel_pool", 1)]

    async def hold(stub: GatewayServiceStub) -> Any:
        call = stub.Call(metadata=key(ACME), timeout=PATIENCE)
        await call.write(asking("sim/words=2000,pace=20ms", stream=True))
        assert kind(await call.read()) == "accepted"
        return call

    channels = [grpc.aio.insecure_channel(target, options=options) for _ in range(16)]
    try:
        calls = [await hold(GatewayServiceStub(channel)) for channel in channels]
        running = await running_by_part(two_workers)
        for call in calls:
            call.cancel()
    finally:
        for channel in channels:
            await channel.close()
    assert set(running) == {"edge-0", "edge-1"}
    assert min(running.values()) > 0
    assert sum(running.values()) == 16


async def running_by_part(mesh: Mesh) -> dict[str, int]:
    """How many rpcs of the door each worker runs, asked of each."""
    found = {}
    for part, address in mesh.about["services"].items():
        if part.startswith("edge"):
            async with grpc.aio.insecure_channel(address) as channel:
                said = await IntrospectionServiceStub(channel).GetMetrics(GetMetricsRequest(), timeout=5)
            running = re.search(r"^runestone_grpc_door_running ([0-9.]+)$", said.exposition.decode(), re.MULTILINE)
            found[part] = int(float(running[1])) if running else 0
    return found


async def test_a_killed_worker_is_back_at_the_same_port(two_workers: Mesh) -> None:
    """The others answer meanwhile; new connections reach all of them again."""
    victim = await asyncio.to_thread(process_id, two_workers, "edge-0")
    os.kill(victim, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        while await asyncio.to_thread(process_id, two_workers, "edge-0") in {0, victim}:
            await asyncio.sleep(0.05)
    about = two_workers.about["grpc"]
    target = f"{about['host']}:{about['port']}"
    for _ in range(8):
        async with grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            assert kind((await ask(GatewayServiceStub(channel), asking()))[-1]) == "completed"


def process_id(mesh: Mesh, part: str) -> int:
    """0 while it is away."""
    try:
        with grpc.insecure_channel(mesh.about["services"][part]) as channel:
            return IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5).process_id
    except grpc.RpcError:
        return 0


async def test_a_pause_has_an_end(two_workers: Mesh) -> None:
    async with door(two_workers) as stub:
        call = stub.Call(metadata=key(ACME), timeout=PATIENCE)
        await call.write(asking("sim/words=2000,pace=20ms", stream=True))
        await call.read()
        await call.write(steering(Control.ACTION_PAUSE))
        messages = await read_rest(call)
    assert kind(messages[-1]) == "failed"
    assert "paused for longer than 0.5 s" in messages[-1].failed.error.message


async def test_calls_that_outlive_the_grace_are_told_so() -> None:
    edge = {
        "http": {"port": 0},
        "admin": {"port": 0},
        "websocket": {"port": 0},
        "grpc": {"port": 0},
        "drain": {"grace": "1s"},
    }
    with mesh_running(edge=edge) as mesh:
        async with door(mesh) as stub:
            long = stub.Call(metadata=key(ACME), timeout=PATIENCE)
            await long.write(asking("sim/words=2000,pace=20ms", stream=True))
            short = stub.Call(metadata=key(ACME), timeout=PATIENCE)
            await short.write(asking("sim/words=20,pace=20ms", stream=True))
            assert [kind(await call.read()) for call in (long, short)] == ["accepted", "accepted"]
            mesh.process.terminate()
            ends = [(await read_rest(call))[-1] for call in (short, long)]
            await asyncio.to_thread(mesh.process.wait, 15)
    assert [kind(end) for end in ends] == ["completed", "failed"]
    assert "stopping" in ends[1].failed.error.message


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    """One that is its own authority."""
    files = {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem"), "ca": str(tmp_path / "cert.pem")}
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", files["key"], "-out", files["cert"]], check=True, capture_output=True)
    return files


def read_files(certificate: dict[str, str]) -> tuple[bytes, ...]:
    return tuple(Path(certificate[name]).read_bytes() for name in ("ca", "cert", "key"))


async def test_with_an_authority_only_who_shows_its_certificate_gets_in(certificate: dict[str, str]) -> None:
    edge = {
        "http": {"port": 0},
        "admin": {"port": 0},
        "websocket": {"port": 0},
        "grpc": {"port": 0, "tls": certificate},
    }
    authority, cert, secret = read_files(certificate)
    with mesh_running(edge=edge) as mesh:
        target = f"localhost:{mesh.about['grpc']['port']}"
        known = grpc.ssl_channel_credentials(authority, secret, cert)
        async with grpc.aio.secure_channel(target, known) as channel:
            assert kind((await ask(GatewayServiceStub(channel), asking()))[-1]) == "completed"
        for unknown in (grpc.ssl_channel_credentials(authority), None):
            opened = grpc.aio.secure_channel(target, unknown) if unknown else grpc.aio.insecure_channel(target)
            async with opened as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await ask(GatewayServiceStub(channel), asking())
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert mesh.about["grpc"]["scheme"] == "https"
        assert f"gRPC for other services on 127.0.0.1:{mesh.about['grpc']['port']}" in mesh.log.read_text()


def test_a_mesh_without_the_door_has_none() -> None:
    edge = {"http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"enabled": False}}
    with mesh_running(edge=edge) as mesh:
        assert mesh.about["grpc"] is None
        assert "gRPC for" not in mesh.log.read_text()
