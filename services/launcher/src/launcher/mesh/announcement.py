"""What is said of a mesh behind Envoy once it is ready, and what stands in its `mesh.json`. Pure."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from launcher.address_book import operators_files
from launcher.defaults import model_to_try
from launcher.mesh.groundwork import Groundwork
from launcher.mesh.parts import EDGE, LOOPBACK, MeshPart, list_addresses
from launcher.meshfile import HttpAddress, MeshFile
from launcher.status import write_curl


def describe_mesh(
    ground: Groundwork, parts: Sequence[MeshPart], control: Path, *, version: str, pid: int, started_at: float
) -> MeshFile:
    """How the other commands find it: clients go through Envoy, operators to the first edge."""
    ports = ground.ports
    first = next(part for part in parts if part.service == EDGE)
    return MeshFile(
        pid=pid,
        version=version,
        control=f"unix:{control}",
        http=HttpAddress(LOOPBACK, ports.plain),
        https=HttpAddress("localhost", ports.tls, "https"),
        authority=str(ground.authority),
        envoy=HttpAddress(LOOPBACK, ports.admin),
        admin=HttpAddress(LOOPBACK, first.ports["admin"]),
        grpc=HttpAddress(LOOPBACK, ports.grpc),
        services=list_addresses(parts),
        tls=operators_files(ground.settings.mesh),
        started_at=started_at,
        config=str(ground.config),
        model=model_to_try(ground.settings),
    )


def write_lines(mesh: MeshFile, key_file: Path | None) -> list[str]:
    """Where it listens, a call to paste, and how an SDK is pointed there."""
    assert mesh.https is not None
    assert mesh.envoy is not None
    assert mesh.grpc is not None
    assert mesh.authority is not None
    authority = shlex.quote(mesh.authority)
    call = write_curl(mesh.https, mesh.model, key_file).removeprefix("curl")
    key = f"$(cat {shlex.quote(str(key_file))})" if key_file else "$RUNESTONE_API_KEY"
    return [
        f"Envoy listens on {mesh.https.url} (HTTP/1.1, HTTP/2, WebSockets), without TLS on {mesh.http.url}",
        f"plain gRPC for all services on {mesh.grpc.target}; Envoy's own port is {mesh.envoy.url}",
        "try it:",
        f"  curl --cacert {authority}{call}",
        "an SDK finds it by its own environment:",  # exported, the next start here would take OPENAI_API_KEY for OpenAI's
        f'  SSL_CERT_FILE={authority} OPENAI_BASE_URL={mesh.https.url}/v1 OPENAI_API_KEY="{key}" python ...',
    ]
