"""Real handshakes on real sockets: who gets in, whom callers talk to, and what each may call."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tls_folder import new_authority
from tls_stage import (
    EDGE_MAY_ACT,
    PATIENCE,
    STREAM,
    UNARY,
    ask_status,
    dial_as,
    linked,
    mesh_settings,
    serving,
)

from chassis.config import ConfigError
from chassis.config.schema import MeshCaller
from chassis.dialing import PLAINLY, Dial, channel_options
from chassis.errors import Reason, RunestoneError
from chassis.logs import get_logger
from chassis.mesh_security.certificate import read_certificate
from chassis.mesh_security.issuing import BOTH_ENDS
from chassis.mesh_security.kept_certificate import KeptCertificate
from chassis.mesh_security.secure_dial import SecureDial
from chassis.plain import PlainLink
from chassis.snapshots import Snapshot, snapshot_version

KINDS = ("plain", "session")


@pytest.fixture
async def cache(folder: Any) -> AsyncIterator[Any]:
    """The service, and its address."""
    async with serving(mesh_settings(folder.tls, EDGE_MAY_ACT), folder.path) as running:
        yield running


async def refusal(call: Any) -> RunestoneError:
    with pytest.raises(RunestoneError) as raised:
        await call
    return raised.value


@pytest.mark.parametrize("kind", KINDS)
async def test_who_may_call_does(folder: Any, cache: Any, kind: str) -> None:
    _, address = cache
    async with linked(kind, address, dial_as(folder.tls, "edge")) as link:
        assert await link.call(UNARY, b"hello", PATIENCE, ()) == b"hello"
        assert [answer async for answer in link.stream(STREAM, b"", PATIENCE, ())] == [b"0", b"1", b"2"]
    async with linked(kind, address, dial_as(folder.tls, "operator")) as link:
        assert await ask_status(address, link) == "cache"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_its_caller_may_not_make_is_refused_and_counted(folder: Any, cache: Any, kind: str) -> None:
    """With the right certificate of the wrong service: unary and streaming, and the calls that it may make go on."""
    runtime, address = cache
    async with linked(kind, address, dial_as(folder.tls, "provider")) as link:
        error = await refusal(link.call(UNARY, b"x", PATIENCE, ()))
        assert (error.reason, error.code) == (Reason.PERMISSION_DENIED, "mesh_caller_refused")
        assert not error.may_have_begun
        assert error.message == "provider may not call /test.Acts/Unary of cache"
        assert (await refusal(anext(aiter(link.stream(STREAM, b"", PATIENCE, ()))))).reason is Reason.PERMISSION_DENIED
    async with linked(kind, address, dial_as(folder.tls, "edge")) as link:
        assert (await refusal(ask_status(address, link))).reason is Reason.PERMISSION_DENIED
        assert await link.call(UNARY, b"y", PATIENCE, ()) == b"y"
    metrics = runtime.metrics.exposition().decode()
    assert 'runestone_mesh_calls_refused_total{identity="provider",method="/test.Acts/Unary"} 1.0' in metrics
    assert 'runestone_mesh_calls_refused_total{identity="provider",method="/test.Acts/Stream"} 1.0' in metrics


async def why_unreachable(address: str, credentials: grpc.ChannelCredentials | None, name: str) -> str:
    """What gRPC says of a call that gets nowhere: the connection is refused before any call."""
    options = [*channel_options(), ("grpc.ssl_target_name_override", name)]
    open_it = grpc.aio.insecure_channel(address, options=channel_options())
    channel = open_it if credentials is None else grpc.aio.secure_channel(address, credentials, options=options)
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary(UNARY)(b"x", timeout=PATIENCE)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    return raised.value.details() or ""


async def test_who_has_no_certificate_of_our_authority_does_not_get_in(folder: Any, cache: Any) -> None:
    """Without TLS, without a certificate, with one of a foreign authority that has the right name, and with one that is over."""
    _, address = cache
    ours = folder.authority.pem.certificate
    long_ago = datetime.now(UTC) - timedelta(days=11)
    life = timedelta(days=10)
    foreign = new_authority().issue("edge", "runestone.local", datetime.now(UTC), life)
    expired = folder.authority.issue("edge", "runestone.local", long_ago, life)
    for credentials in (
        None,
        grpc.ssl_channel_credentials(ours),
        grpc.ssl_channel_credentials(ours, foreign.key, foreign.certificate),
        grpc.ssl_channel_credentials(ours, expired.key, expired.certificate),
    ):
        assert await why_unreachable(address, credentials, "cache.runestone.local")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_name_of_another_trust_domain_may_nothing(folder: Any, cache: Any, kind: str) -> None:
    """Even where one authority signs for both."""
    runtime, address = cache
    folder.issue("edge", domain="other.local")
    certificate = KeptCertificate(folder.files("edge"), read_certificate, get_logger("test"))
    async with linked(kind, address, SecureDial(certificate, "cache.runestone.local")) as link:
        error = await refusal(link.call(UNARY, b"x", PATIENCE, ()))
    assert error.reason is Reason.PERMISSION_DENIED
    assert error.message.startswith("spiffe://other.local/runestone/edge may not call")
    assert 'identity="other"' in runtime.metrics.exposition().decode()


EDGE, CACHE = "edge.runestone.local", "cache.runestone.local"
ODD_NAMES: dict[str, list[x509.GeneralName]] = {
    "none": [],
    "two": [x509.UniformResourceIdentifier(f"spiffe://runestone.local/runestone/{name}") for name in ("edge", "cache")],
    "NUL in an ID": [x509.UniformResourceIdentifier("spiffe://runestone.local/runestone/edge\0/evil")],
    "NUL in a name": [x509.DNSName(f"{EDGE}\0.evil.com")],
    "a name within another's": [x509.DNSName(f"{EDGE}.evil.com")],
    "percent-encoding": [
        x509.UniformResourceIdentifier("spiffe://runestone.local/runestone/%65dge"),
        x509.DNSName(EDGE),
    ],
    "upper case": [x509.UniformResourceIdentifier("SPIFFE://runestone.local/runestone/edge"), x509.DNSName(EDGE)],
    "an empty segment": [x509.UniformResourceIdentifier("spiffe://runestone.local/runestone//edge")],
    "an empty ID": [x509.UniformResourceIdentifier(""), x509.DNSName(EDGE)],
    "many": [*(x509.DNSName(f"x{number}.evil.com") for number in range(500)), x509.DNSName(EDGE), x509.DNSName(CACHE)],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", ODD_NAMES.values(), ids=ODD_NAMES)
async def test_a_stranger_with_odd_names_is_nobody(folder: Any, cache: Any, kind: str, names: list[Any]) -> None:
    """Signed by our authority, and almost the edge."""
    _, address = cache
    async with linked(kind, address, dial_with(folder, names)) as link:
        error = await refusal(link.call(UNARY, b"x", PATIENCE, ()))
    assert error.message == "a caller without a name of this mesh may not call /test.Acts/Unary of cache"


def dial_with(folder: Any, names: list[x509.GeneralName]) -> Dial:
    """Channels with a certificate of our authority for `names`."""
    issued = folder.authority.sign("edge", names, BOTH_ENDS, datetime.now(UTC), timedelta(days=1))
    files = folder.files("edge")
    files.cert.write_bytes(issued.certificate)
    files.key.write_bytes(issued.key)
    return SecureDial(KeptCertificate(files, read_certificate, get_logger("test")), CACHE)


async def test_a_thousand_connections_that_never_shake_hands_hold_up_nobody(folder: Any, cache: Any) -> None:
    _, address = cache
    with ExitStack() as silent:
        for _ in range(1000):
            silent.enter_context(socket.create_connection(address.split(":")))
        for kind in KINDS:
            async with linked(kind, address, dial_as(folder.tls, "edge")) as link:
                assert await link.call(UNARY, b"hello", PATIENCE, ()) == b"hello"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_caller_does_not_talk_to_the_wrong_service(folder: Any, cache: Any, kind: str) -> None:
    """Its certificate is of our authority, but another's: an address that now belongs to another pod."""
    _, address = cache
    async with linked(kind, address, dial_as(folder.tls, "edge", "audit")) as link:
        error = await refusal(link.call(UNARY, b"x", 1.0, ()))
    assert error.reason in (Reason.UNAVAILABLE, Reason.DEADLINE_EXCEEDED)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_caller_does_not_talk_to_a_callee_of_a_foreign_authority(folder: Any, kind: str) -> None:
    foreign = new_authority()
    folder.issue("cache", authority=foreign)
    async with serving(mesh_settings(folder.tls, EDGE_MAY_ACT), folder.path) as (_, address):
        async with linked(kind, address, dial_as(folder.tls, "edge")) as link:
            assert (await refusal(link.call(UNARY, b"x", 1.0, ()))).reason in (
                Reason.UNAVAILABLE,
                Reason.DEADLINE_EXCEEDED,
            )
        folder.trust("edge", folder.authority, foreign)
        async with linked(kind, address, dial_as(folder.tls, "edge")) as link:
            assert await link.call(UNARY, b"x", PATIENCE, ()) == b"x"


@pytest.mark.parametrize(
    ("callee", "authorities", "why"),
    [("audit", "ours", "Hostname Verification"), ("cache", "foreign", "CERTIFICATE_VERIFY_FAILED")],
)
async def test_a_caller_is_told_why_a_callee_cannot_be_reached(
    folder: Any, cache: Any, callee: str, authorities: str, why: str
) -> None:
    """A certificate that is refused is no service that is down."""
    _, address = cache
    if authorities == "foreign":
        folder.trust("edge", new_authority())
    async with linked("session", address, dial_as(folder.tls, "edge", callee)) as link:
        async with asyncio.timeout(PATIENCE):
            while why not in (error := await refusal(link.call(UNARY, b"x", PATIENCE, ()))).message:
                pass
    assert (error.reason, error.may_have_begun) == (Reason.UNAVAILABLE, False)


async def test_a_certificate_with_dns_names_alone_says_the_same(folder: Any, cache: Any) -> None:
    """Authorities that write no URIs, as many companies' own."""
    from cryptography import x509

    from chassis.mesh_security.issuing import BOTH_ENDS

    _, address = cache
    names = [x509.DNSName("edge.runestone.local"), x509.DNSName("edge.default.svc")]
    issued = folder.authority.sign("edge", names, BOTH_ENDS, datetime.now(UTC), timedelta(days=1))
    folder.write("edge", "tls.key", issued.key)
    folder.write("edge", "tls.crt", issued.certificate)
    async with linked("session", address, dial_as(folder.tls, "edge")) as link:
        assert await link.call(UNARY, b"x", PATIENCE, ()) == b"x"


async def test_health_and_reflection_are_open_to_whoever_got_in(folder: Any, cache: Any) -> None:
    _, address = cache
    dial = dial_as(folder.tls, "provider")
    async with dial.open(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)).status == 1
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        answer = await anext(aiter(asked))
    assert "test.Acts" in {service.name for service in answer.list_services_response.service}


async def test_a_unix_socket_stays_plain_and_open(folder: Any) -> None:
    """Its directory is private; so a mesh of one machine with `mesh.tls` set works on."""
    listen = f"unix:{folder.path}/s.sock"
    async with serving(mesh_settings(folder.tls), folder.path, listen=listen):
        for kind in KINDS:
            async with linked(kind, listen, dial_as(folder.tls, "provider")) as link:
                assert await link.call(UNARY, b"x", PATIENCE, ()) == b"x"
        async with linked("session", listen, PLAINLY) as link:
            assert await link.call(UNARY, b"x", PATIENCE, ()) == b"x"


async def test_callers_follow_the_configuration(folder: Any, cache: Any) -> None:
    """A plain call at once, a session from its successor on."""
    runtime, address = cache
    async with linked("plain", address, dial_as(folder.tls, "provider")) as link:
        assert (await refusal(link.call(UNARY, b"x", PATIENCE, ()))).reason is Reason.PERMISSION_DENIED
        settings = mesh_settings(folder.tls, [MeshCaller(name="provider", may=["/test.Acts/Un*"])])
        runtime.snapshots.publish(Snapshot(snapshot_version(settings), settings))
        assert await link.call(UNARY, b"x", PATIENCE, ()) == b"x"
        assert (await refusal(anext(aiter(link.stream(STREAM, b"", PATIENCE, ()))))).reason is Reason.PERMISSION_DENIED
    async with linked("session", address, dial_as(folder.tls, "provider")) as link:
        assert await link.call(UNARY, b"x", PATIENCE, ()) == b"x"


async def test_a_service_does_not_start_with_files_that_cannot_be_used(folder: Any) -> None:
    (folder.path / "cache/tls.key").unlink()
    with pytest.raises(ConfigError, match=r"mesh\.tls\.key: .*/cache/tls\.key: cannot be read: No such file"):
        async with serving(mesh_settings(folder.tls), folder.path):
            pass


async def test_the_end_of_the_certificate_is_a_metric(folder: Any, cache: Any) -> None:
    runtime, _ = cache
    lines = runtime.metrics.exposition().decode().splitlines()
    (line,) = [line for line in lines if line.startswith("runestone_tls_certificate_expiry_timestamp_seconds ")]
    left = float(line.rpartition(" ")[2]) - datetime.now(UTC).timestamp()
    assert timedelta(days=9) < timedelta(seconds=left) < timedelta(days=11)


async def test_a_plain_link_goes_over_to_a_new_certificate_with_its_next_call(folder: Any, cache: Any) -> None:
    """And what runs on the old connection ends there."""
    _, address = cache
    link = PlainLink(address, dial_as(folder.tls, "edge"))
    try:
        stream = link.stream(STREAM, b"", PATIENCE, ())
        assert await anext(stream) == b"0"
        before = link.channel
        folder.issue("edge")
        assert await link.call(UNARY, b"x", PATIENCE, ()) == b"x"
        assert link.channel is not before
        async with asyncio.timeout(PATIENCE):
            assert [answer async for answer in stream] == [b"1", b"2"]
    finally:
        await link.close()
