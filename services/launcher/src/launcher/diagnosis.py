"""What `runestone doctor` looks at. Each check is a function that gives findings; none shows a secret."""

import asyncio
import os
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from chassis.config import Settings
from chassis.config.presets import find_key_variable
from chassis.config.provider_keys import list_keys
from chassis.mesh_security.certificate import CertificateError
from launcher.errors import LaunchError
from launcher.keyfiles import ADMIN_KEY, DEVELOPMENT_KEY, read_key
from launcher.mesh_certificates import read_certificates
from launcher.meshfile import MeshFile

OLDEST_PYTHON = (3, 11)
OWN_TOOLS = Path(sys.prefix).parent / ".tools/bin"  # beside the environment, where `make` puts it
SOON = timedelta(days=7)
PATIENCE = 2.0  # seconds for each address that is tried


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    detail: str


def check_tools() -> Iterator[Finding]:
    """Python and uv."""
    version = ".".join(map(str, sys.version_info[:3]))
    is_new_enough = sys.version_info >= OLDEST_PYTHON
    yield Finding("python", Verdict.OK if is_new_enough else Verdict.FAIL, version)
    uv = shutil.which("uv") or shutil.which("uv", path=str(OWN_TOOLS))
    yield Finding("uv", Verdict.OK if uv else Verdict.WARN, "found" if uv else "not found; `make` installs its own")


def check_ports(settings: Settings, mesh: MeshFile | None) -> Iterator[Finding]:
    """Every port that is to be listened on is free, or used by our own mesh."""
    edge = settings.edge
    ours = {door.port for door in (mesh.http, mesh.websocket, mesh.grpc, mesh.admin) if door} if mesh else set()
    wanted = [
        ("http", edge.http.host, edge.http.port),
        ("websocket", edge.http.host, edge.websocket.port),
        ("admin", edge.admin.host, edge.admin.port),
    ]
    if edge.grpc.enabled:
        wanted.append(("grpc", edge.grpc.host, edge.grpc.port))
    for name, host, port in wanted:
        where = f"{host}:{port}"
        if port and port in ours:
            yield Finding(f"port {name}", Verdict.OK, f"{where}: used by the running mesh")
        elif reason := _why_taken(host, port):
            yield Finding(f"port {name}", Verdict.FAIL, f"{where}: {reason}")
        else:
            yield Finding(f"port {name}", Verdict.OK, f"{where}: free")


def check_certificates(settings: Settings) -> Iterator[Finding]:
    """The files of every door's certificate are there to be read; what is in them is the door's to say."""
    edge = settings.edge
    for name, tls in (("http", edge.http.tls), ("grpc", edge.grpc.tls if edge.grpc.enabled else None)):
        if tls is None:
            continue
        missing = [path for path in (tls.cert, tls.key, tls.ca) if path and not os.access(path, os.R_OK)]
        detail = f"cannot be read: {', '.join(missing)}" if missing else tls.cert
        yield Finding(f"certificate {name}", Verdict.FAIL if missing else Verdict.OK, detail)


def check_mesh_certificates(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Those of `mesh.tls` can be used, and none of them ends within a week unnoticed."""
    for service, found in read_certificates(settings.mesh):
        name = f"certificate mesh {service}".strip()
        if isinstance(found, CertificateError):
            yield Finding(name, Verdict.FAIL, str(found))
        else:
            verdict = Verdict.WARN if found.expires_at - now < SOON else Verdict.OK
            yield Finding(name, verdict, f"expires {found.expires_at.isoformat(timespec='seconds')}")


def check_data_dir(data_dir: Path) -> Iterator[Finding]:
    """The data directory can be written, and its keys are readable by their owner only."""
    nearest = next(path for path in (data_dir, *data_dir.absolute().parents) if path.exists())
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        yield Finding("data directory", Verdict.FAIL, f"{data_dir}: {error.strerror}")
    else:
        yield Finding("data directory", Verdict.OK, f"{data_dir}{'' if data_dir.exists() else ' (made at start)'}")
    for name in (DEVELOPMENT_KEY, ADMIN_KEY):
        if (data_dir / name).exists():
            yield check_key_file(data_dir / name)


def check_key_file(path: Path) -> Finding:
    """It holds a key, and nobody else can read it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding(path.name, Verdict.FAIL, f"others can read it (mode {mode:o}): chmod 600 {path}")
    try:
        read_key(path)
    except LaunchError as error:
        return Finding(path.name, Verdict.FAIL, str(error))
    return Finding(path.name, Verdict.OK, f"mode {mode:o}")


def check_credentials(settings: Settings, environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Providers that need a key have one."""
    for provider in settings.providers:
        name, what = f"provider {provider.name}", provider.preset or provider.kind
        variable = find_key_variable(provider)
        if keys := list_keys(provider):
            yield Finding(name, Verdict.OK, f"{what}, with {'a key' if len(keys) == 1 else f'{len(keys)} keys'}")
        elif variable:
            hint = f"; ${variable} is set" if environment.get(variable) else ""
            yield Finding(name, Verdict.FAIL, f"{what}, without api_key{hint}")
        else:
            yield Finding(name, Verdict.OK, what)


def check_keys(settings: Settings, now: datetime) -> Iterator[Finding]:
    """No key has ended, or ends within a week, unnoticed."""
    for tenant in settings.tenants:
        for key in tenant.keys:
            if key.expires_at is not None and key.expires_at - now < SOON:
                is_over = key.expires_at <= now
                detail = f"{'expired' if is_over else 'expires'} {key.expires_at.isoformat(timespec='seconds')}"
                yield Finding(f"key {tenant.name}/{key.name}", Verdict.WARN, detail)


async def can_connect(host: str, port: int) -> str:
    """Empty when something accepts connections there, else why not; within `PATIENCE`."""
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        return str(error) or "no answer"
    writer.close()
    return ""


def _why_taken(host: str, port: int) -> str:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""
