"""A whole mesh over TCP with mutual TLS, each service on its own as in a pod: everything works as without, strangers get nothing, and
certificates and authorities are replaced while calls run."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
import pytest
from channel_client import ChannelClient, connected
from cryptography import x509
from real_mesh import ACME
from served_mesh import ServedMesh, served_mesh_running

from runestone.audit.v1.audit_pb2 import SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub
from runestone.cache.v1.cache_pb2 import PurgeRequest, Selection
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub

AUTH = {"authorization": f"Bearer {ACME}"}
CALLERS = 4
BEHIND = ("cache", "ratelimit", "provider", "audit")  # the edge
PATIENCE = 30.0

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def mesh() -> Iterator[ServedMesh]:
    with served_mesh_running() as running:
        yield running


def body_of(text: str, wish: str = "words=20", **more: Any) -> dict[str, Any]:
    return {"model": f"sim/{wish}", "messages": [{"role": "user", "content": text}], "temperature": 0, **more}


async def post(session: aiohttp.ClientSession, body: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    async with session.post("/v1/chat/completions", json=body) as answer:
        text = await answer.read()
        assert answer.status == 200, text
        return {name.lower(): value for name, value in answer.headers.items()}, text


async def test_calls_streams_cache_sockets_and_records_work(mesh: ServedMesh) -> None:
    async with aiohttp.ClientSession(mesh.url, headers=AUTH) as session:
        first, answer = await post(session, body_of("Hello"))
        again, same = await post(session, body_of("Hello"))
        assert (first["x-cache"], again["x-cache"], same) == ("MISS", "HIT", answer)
        _, stream = await post(session, body_of("Hello stream", stream=True))
        assert stream.endswith(b"data: [DONE]\n\n")
    async with connected(mesh.ports["websocket"], ACME) as client:
        await client.join("session:a")
        await client.push("session:a", "chat:stream", {"request": body_of("Hello socket")})
        assert (await client.event("stream:complete"))["usage"]
    await wait_until(lambda: find_record(mesh, first["x-request-id"]))


def find_record(mesh: ServedMesh, request_id: str) -> bool:
    return bool(mesh.command("audit", "search", "--request-id", request_id))


async def wait_until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.1)


async def test_the_operators_commands_ask_services_and_the_edge_for_its_port(mesh: ServedMesh) -> None:
    """With the operator's certificate, found by the configuration; or with another's, which may do what that one may."""
    async with aiohttp.ClientSession(mesh.url, headers=AUTH) as session:
        await post(session, body_of("to be purged"))
        (stock,) = await asyncio.to_thread(mesh.command, "cache", "stats")
        assert stock["entries"] >= 1
        (purged,) = await asyncio.to_thread(mesh.command, "cache", "purge", "--all")
        assert purged["purged"] >= 1 and purged["failures"] == {}
        headers, _ = await post(session, body_of("to be purged"))
        assert headers["x-cache"] == "MISS"
    assert await asyncio.to_thread(mesh.command, "targets")
    edges = {f"RUNESTONE_TLS_{name.upper()}": str(mesh.certificates / f"edge/{file}") for name, file in FILES.items()}
    assert await asyncio.to_thread(lambda: mesh.command("cache", "stats", **edges))
    with pytest.raises(AssertionError, match=r"edge may not call /runestone\.audit\.v1\.AuditService/Search of audit"):
        await asyncio.to_thread(lambda: mesh.command("audit", "search", **edges))


FILES = {"cert": "tls.crt", "key": "tls.key", "ca": "ca.crt"}


def credentials_of(mesh: ServedMesh, name: str) -> grpc.ChannelCredentials:
    cert, key, ca = ((mesh.certificates / name / file).read_bytes() for file in FILES.values())
    return grpc.ssl_channel_credentials(ca, key, cert)


def code_of(mesh: ServedMesh, service: str, credentials: grpc.ChannelCredentials | None, call: Any) -> grpc.StatusCode:
    """How a call to a service ends that is made with these."""
    address, options = mesh.address(service), [("grpc.ssl_target_name_override", f"{service}.runestone.local")]
    channel = (
        grpc.insecure_channel(address)
        if credentials is None
        else grpc.secure_channel(address, credentials, options=options)
    )
    with channel:
        try:
            call(channel)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def purge(channel: grpc.Channel) -> None:
    CacheServiceStub(channel).Purge(PurgeRequest(selection=Selection(tenant="nobody")), timeout=5)


def search(channel: grpc.Channel) -> None:
    AuditServiceStub(channel).Search(SearchRequest(page_size=1), timeout=5)


def test_a_stranger_gets_nothing_and_a_service_no_more_than_it_needs(mesh: ServedMesh) -> None:
    mesh.command("certs", "create", "--out", str(mesh.directory / "foreign"))
    foreign = ServedMesh(mesh.directory, mesh.ports)
    foreign_edge = grpc.ssl_channel_credentials(
        (mesh.certificates / "edge/ca.crt").read_bytes(),
        (mesh.directory / "foreign/edge/tls.key").read_bytes(),
        (mesh.directory / "foreign/edge/tls.crt").read_bytes(),
    )
    nobody = grpc.ssl_channel_credentials((mesh.certificates / "edge/ca.crt").read_bytes())
    for service, call in (("cache", purge), ("audit", search)):
        for stranger in (None, nobody, foreign_edge):
            assert code_of(foreign, service, stranger, call) is grpc.StatusCode.UNAVAILABLE
    codes = {
        (caller, service): code_of(mesh, service, credentials_of(mesh, caller), call)
        for caller in ("edge", "provider", "envoy", "operator")
        for service, call in (("cache", purge), ("audit", search))
    }
    allowed = {pair for pair, code in codes.items() if code is grpc.StatusCode.OK}
    assert allowed == {("edge", "cache"), ("operator", "cache"), ("operator", "audit")}
    assert {code for pair, code in codes.items() if pair not in allowed} == {grpc.StatusCode.PERMISSION_DENIED}


async def test_a_caller_that_the_changed_file_lets_in_may_call_without_a_restart(mesh: ServedMesh) -> None:
    """Each service follows the file by itself."""

    def can_search() -> bool:
        return code_of(mesh, "audit", credentials_of(mesh, "provider"), search) is grpc.StatusCode.OK

    before = mesh.config.read_text()
    changed = json.loads(before)
    changed["mesh"]["callers"] = [{"name": "provider", "may": ["/runestone.audit.v1.AuditService/Sea*"]}]
    assert not await asyncio.to_thread(can_search)
    mesh.config.write_text(json.dumps(changed))
    await wait_until(can_search)
    mesh.config.write_text(before)
    await wait_until(lambda: not can_search())


@dataclass
class Load:
    """Calls without a pause, unary and streamed; each that fails is kept."""

    well: int = 0
    failures: list[str] = field(default_factory=list)

    async def call(self, session: aiohttp.ClientSession, name: str) -> None:
        number = 0
        while True:
            number += 1
            body = body_of(f"{name} {number}", "latency=20ms,words=5", stream=number % 2 == 0)
            async with session.post("/v1/chat/completions", json=body) as answer:
                text = await answer.read()
            is_whole = answer.status == 200 and (number % 2 or text.endswith(b"data: [DONE]\n\n"))
            if is_whole and answer.headers.get("x-runestone-degraded") is None:
                self.well += 1
            else:
                self.failures.append(f"{answer.status} {text[-200:]!r}")

    async def wait_for_more(self, count: int = 40) -> None:
        """Returns when `count` more calls have ended."""
        enough = self.well + len(self.failures) + count
        async with asyncio.timeout(PATIENCE):
            while self.well + len(self.failures) < enough:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def load_on(mesh: ServedMesh) -> AsyncIterator[Load]:
    load = Load()
    async with aiohttp.ClientSession(mesh.url, headers=AUTH) as session:
        tasks = [asyncio.create_task(load.call(session, f"caller {number}")) for number in range(CALLERS)]
        try:
            yield load
            assert not [task.exception() for task in tasks if task.done()]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def find_serials(mesh: ServedMesh) -> dict[str, int]:
    """The number of the certificate that each service shows to a new connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(mesh.certificates / "operator/tls.crt", mesh.certificates / "operator/tls.key")
    context.set_alpn_protocols(["h2"])
    serials = {}
    for service in BEHIND:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection("127.0.0.1", mesh.ports[service], ssl=context)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        serials[service] = x509.load_der_x509_certificate(shown).serial_number
    return serials


async def test_all_certificates_are_replaced_while_calls_run(mesh: ServedMesh) -> None:
    """By the command, folder by folder; the connections that there are go on, new ones are made with what lies there."""
    async with load_on(mesh) as load, watching(mesh) as client:
        await load.wait_for_more()
        before = await find_serials(mesh)
        await asyncio.to_thread(mesh.command, "certs", "create", "--out", str(mesh.certificates), "--force")
        await load.wait_for_more()
        after = await find_serials(mesh)
        assert not set(before.values()) & set(after.values())
        assert await asyncio.to_thread(mesh.command, "cache", "stats")
        await client.push("session:a", "chat:stream", {"request": body_of("after it", "words=10")})
        await client.event("stream:complete", count=2)
    assert load.failures == []


@asynccontextmanager
async def watching(mesh: ServedMesh) -> AsyncIterator[ChannelClient]:
    """A socket with a stream that runs meanwhile, and must come to its end."""
    async with connected(mesh.ports["websocket"], ACME) as client:
        await client.join("session:a")
        await client.push("session:a", "chat:stream", {"request": body_of("meanwhile", "words=40,pace=50ms")})
        yield client


async def test_the_authority_is_replaced_while_calls_run_and_services_restart(mesh: ServedMesh) -> None:
    """In the three steps of docs/mtls.md; afterwards a provider-svc that is started anew is called at once, and a certificate of the
    old authority opens nothing."""
    old_edge = credentials_of(mesh, "operator")
    names = [folder.name for folder in mesh.certificates.iterdir() if folder.name != "authority"]
    old = (mesh.certificates / "authority/tls.crt").read_bytes()
    await asyncio.to_thread(mesh.command, "certs", "create", "--out", str(mesh.directory / "next"))
    new = (mesh.directory / "next/authority/tls.crt").read_bytes()

    def write(name: str, file: str, text: bytes) -> None:
        draft = mesh.certificates / name / f"{file}.new"
        draft.write_bytes(text)
        draft.replace(mesh.certificates / name / file)

    def show_new(name: str) -> None:
        for file in ("tls.key", "tls.crt"):
            write(name, file, (mesh.directory / "next" / name / file).read_bytes())

    async with load_on(mesh) as load:
        for step in (
            lambda name: write(name, "ca.crt", old + new),
            show_new,
            lambda name: write(name, "ca.crt", new),
        ):
            for name in names:
                step(name)
            await load.wait_for_more()
        assert load.failures == []
    assert await asyncio.to_thread(mesh.stop, "provider") == 0
    mesh.start("provider")
    await asyncio.to_thread(mesh.wait_until_ready)
    assert await asyncio.to_thread(mesh.command, "targets")
    assert code_of(mesh, "audit", old_edge, search) is grpc.StatusCode.UNAVAILABLE


async def test_metrics_say_when_certificates_end_and_what_became_of_new_ones(mesh: ServedMesh) -> None:
    await asyncio.to_thread(mesh.command, "certs", "create", "--out", str(mesh.certificates), "--force")
    reloaded = 'runestone_tls_certificate_reloads_total{outcome="reloaded",service="edge"}'
    async with asyncio.timeout(PATIENCE):
        while reloaded not in (text := await asyncio.to_thread(read_metrics, mesh)):
            await asyncio.sleep(0.1)
    assert "runestone_tls_certificate_expiry_timestamp_seconds" in text


def read_metrics(mesh: ServedMesh) -> str:
    import urllib.request

    with urllib.request.urlopen(f"{mesh.admin_url}/metrics", timeout=10) as answer:
        return answer.read().decode()


def test_a_service_with_the_wrong_certificate_does_not_start_and_says_why(mesh: ServedMesh) -> None:
    problems = json.loads(mesh.config.read_text())
    problems["mesh"]["tls"]["cert"] = f"{mesh.certificates}/edge/tls.crt"
    wrong = ServedMesh(mesh.directory / "wrong", mesh.ports)
    wrong.directory.mkdir()
    wrong.config.write_text(json.dumps(problems))
    wrong.start("cache")
    try:
        assert wrong.processes["cache"].wait(PATIENCE) == 1
    finally:
        wrong.processes["cache"].kill()
    assert "mesh.tls.key: " in wrong.log("cache") and "is not the key of" in wrong.log("cache")
