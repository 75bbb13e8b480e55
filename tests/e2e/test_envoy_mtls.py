"""Inside a mesh with mutual TLS: Envoy shows its own certificate, looks at the names of others, and asks callers for theirs."""

import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import grpc.aio
import pytest
from envoy_stage import LOOPBACK, Envoy, answer, ask, envoy_running, gateways

from chassis.testing import short_directory
from launcher.envoy.endpoints import Endpoint
from launcher.envoy.site import MeshTls, Site

NAMES = ("envoy", "edge", "audit", "operator")
SEARCH = "/runestone.audit.v1.AuditService/Search"


@pytest.fixture(scope="module")
def certificates() -> Iterator[Path]:
    """A folder for each service, as `deploy/` mounts them."""
    with short_directory() as folder:
        openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=ca -days 2")
        for name in NAMES:
            own = folder / name
            own.mkdir()
            names = f"subjectAltName=DNS:{name}.runestone.local,URI:spiffe://runestone.local/runestone/{name}"
            (own / "names").write_text(names)
            openssl(own, f"req -newkey rsa:2048 -nodes -keyout tls.key -out csr -subj /CN={name}")
            signing = (
                "x509 -req -in csr -CA ../ca.crt -CAkey ../ca.key -CAcreateserial -days 2 -extfile names -out tls.crt"
            )
            openssl(own, signing)
            (own / "ca.crt").write_bytes((folder / "ca.crt").read_bytes())
        yield folder


def openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True, timeout=20)


def with_mesh_tls(certificates: Path) -> Callable[[Site], Site]:
    return lambda site: replace(site, mesh_tls=MeshTls(folder=str(certificates / "envoy")))


@pytest.fixture(scope="module")
def envoy(certificates: Path) -> Iterator[Envoy]:
    with envoy_running(with_mesh_tls(certificates)) as running:
        yield running


def serve_as(certificates: Path, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates / name / "ca.crt")
    context.load_cert_chain(certificates / name / "tls.crt", certificates / name / "tls.key")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_an_edge_is_called_with_envoys_certificate(envoy: Envoy, certificates: Path) -> None:
    """Its readiness is asked in the clear, on its operators' port."""
    async with gateways(envoy, answer, tls=serve_as(certificates, "edge")) as (gateway,):
        assert (await ask(envoy)).status_code == 200
    assert gateway.asked == 1


async def test_another_service_cannot_pass_for_an_edge(envoy: Envoy, certificates: Path) -> None:
    """Its certificate is of the same authority, and names somebody else."""
    async with gateways(envoy, answer, tls=serve_as(certificates, "audit")) as (gateway,):
        said = await ask(envoy)
    assert (said.status_code, said.json()["error"]["code"]) == (503, "unavailable")
    assert gateway.asked == 0


class Service(grpc.GenericRpcHandler):
    """A service that is well, and answers with who has called."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        async def check(_request: bytes, _context: object) -> bytes:
            return b"\x08\x01"  # SERVING

        async def search(_request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            return b",".join(context.peer_identities() or ())

        known = {"/grpc.health.v1.Health/Check": check, SEARCH: search}
        behave = known.get(details.method)
        return None if behave is None else grpc.unary_unary_rpc_method_handler(behave)


def pair(certificates: Path, name: str) -> tuple[bytes, bytes]:
    return (certificates / name / "tls.key").read_bytes(), (certificates / name / "tls.crt").read_bytes()


async def test_callers_of_services_show_a_certificate_and_envoy_shows_its_own(envoy: Envoy, certificates: Path) -> None:
    authority = (certificates / "ca.crt").read_bytes()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Service(),))
    own = grpc.ssl_server_credentials([pair(certificates, "audit")], authority, require_client_auth=True)
    port = server.add_secure_port(f"{LOOPBACK}:0", own)
    await server.start()
    envoy.tell(audit=[Endpoint(host=LOOPBACK, port=port)])
    await envoy.wait_for_members("audit", 1)
    key, cert = pair(certificates, "operator")
    options = [("grpc.ssl_target_name_override", "envoy.runestone.local")]
    where = f"{LOOPBACK}:{envoy.ports.grpc}"
    async with grpc.aio.secure_channel(where, grpc.ssl_channel_credentials(authority, key, cert), options) as known:
        identities = await known.unary_unary(SEARCH)(b"", timeout=10)
    async with grpc.aio.secure_channel(where, grpc.ssl_channel_credentials(authority), options) as stranger:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stranger.unary_unary(SEARCH)(b"", timeout=10)
    async with grpc.aio.insecure_channel(where) as plain:
        with pytest.raises(grpc.aio.AioRpcError):
            await plain.unary_unary(SEARCH)(b"", timeout=10)
    await server.stop(None)
    assert b"spiffe://runestone.local/runestone/envoy" in identities
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
