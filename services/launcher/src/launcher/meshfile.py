"""`<data-dir>/mesh.json`: how the other commands find a running mesh. Holds addresses, never keys."""

import os
import tempfile
from pathlib import Path

import msgspec

from launcher.defaults import SIMULATED_MODEL
from launcher.errors import LaunchError
from launcher.rundir import is_locked, remove_run_directory

NAME = "mesh.json"


class HttpAddress(msgspec.Struct, frozen=True):
    """Where a port listens."""

    host: str
    port: int
    scheme: str = "http"

    @property
    def url(self) -> str:
        """The base URL for clients on the same machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  only compared
        return f"{self.scheme}://[{host}]:{self.port}" if ":" in host else f"{self.scheme}://{host}:{self.port}"

    @property
    def target(self) -> str:
        """What a gRPC client on the same machine is given: no scheme, `host:port`."""
        return self.url.partition("://")[2]


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Where the operator's certificate is, with which the services are asked over TCP: paths, never what is in the files."""

    cert: str
    key: str
    ca: str
    trust_domain: str


class MeshFile(msgspec.Struct, frozen=True, kw_only=True):
    """A running mesh. `pid` is the launcher's, `version` the snapshot's, `started_at` in seconds since the epoch;
    `control` and `services` are addresses as `chassis.replicas.open_link` reads them, by the service's or the process's name
    (`cache`, `edge-0`). `config` is the file that it was started with, None for every default; `model` a public name for a first call.
    `websocket` is the port that takes WebSockets only, `grpc` the door for other services, None where there is none.
    Behind Envoy `http` and `https` are Envoy's, `authority` is the file of the certificate that signed its own, `envoy` its admin port.
    `tls` is None where the services are asked in the clear."""

    pid: int
    version: str
    control: str
    http: HttpAddress
    admin: HttpAddress
    grpc: HttpAddress | None = None
    services: dict[str, str]
    started_at: float
    config: str | None = None
    model: str = SIMULATED_MODEL
    websocket: HttpAddress | None = None
    tls: TlsFiles | None = None
    https: HttpAddress | None = None
    authority: str | None = None
    envoy: HttpAddress | None = None

    @property
    def config_path(self) -> Path | None:
        """`config` as a path. What was a pipe is there no more."""
        return Path(self.config) if self.config else None


def write_mesh_file(data_dir: Path, mesh: MeshFile) -> None:
    """Replaces the file in one step: a reader sees the old one or the new one, never half of it."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{NAME}.", dir=data_dir)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(mesh), indent=2) + b"\n")
    Path(draft).replace(data_dir / NAME)


def restate_mesh(data_dir: Path, version: str, model: str) -> None:
    """Says in the file, where there is one yet, which snapshot is in force now."""
    try:
        said = msgspec.json.decode((data_dir / NAME).read_bytes(), type=MeshFile)
    except FileNotFoundError:
        return
    write_mesh_file(data_dir, msgspec.structs.replace(said, version=version, model=model))


def clear_remains(data_dir: Path) -> None:
    """Removes what a killed launcher left: its file, which would name addresses where nobody is, and its sockets.

    To be called by whoever holds the lock.
    """
    try:
        left = msgspec.json.decode((data_dir / NAME).read_bytes(), type=MeshFile)
    except (OSError, msgspec.DecodeError):
        pass
    else:
        remove_run_directory(Path(left.control.removeprefix("unix:")).parent)
    remove_mesh_file(data_dir)


def remove_mesh_file(data_dir: Path) -> None:
    """Removes the file, where there is one."""
    (data_dir / NAME).unlink(missing_ok=True)


def find_mesh(data_dir: Path) -> MeshFile:
    """The mesh that runs on `data_dir`. Raises LaunchError when none does: a file that a killed launcher left is not one."""
    if not is_locked(data_dir):
        raise LaunchError(f"no mesh runs on {data_dir}; start one with `runestone up`, or name its --data-dir")
    try:
        return msgspec.json.decode((data_dir / NAME).read_bytes(), type=MeshFile)
    except FileNotFoundError as error:
        raise LaunchError(f"the mesh on {data_dir} is still starting, or stopping; try again") from error
    except (OSError, msgspec.DecodeError) as error:
        raise LaunchError(f"cannot read {data_dir / NAME}: {error}") from error
