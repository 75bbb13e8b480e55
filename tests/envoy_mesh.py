"""A real mesh behind a real Envoy, started by the real command. Whoever uses it is skipped where there is no Envoy."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from real_mesh import RUNESTONE, Mesh, configuration

from chassis.testing import free_port, short_directory
from launcher.errors import LaunchError
from launcher.mesh.envoy_process import find_envoy

START_PATIENCE = 60.0
STOP_PATIENCE = 60.0


@dataclass(frozen=True)
class EnvoyMesh(Mesh):
    """A running mesh: where Envoy is, and what the launcher can be told."""

    @property
    def url(self) -> str:
        """Envoy's address with TLS; `ca` is who has signed its certificate."""
        return "{scheme}://{host}:{port}".format(**self.about["https"])

    @property
    def plain_url(self) -> str:
        """Envoy's address without TLS."""
        return "{scheme}://{host}:{port}".format(**self.about["http"])

    @property
    def ca(self) -> str:
        """The path of the authority's certificate."""
        return self.about["authority"]

    @property
    def grpc_target(self) -> str:
        """Where Envoy takes plain gRPC for all services."""
        return "{host}:{port}".format(**self.about["grpc"])

    @property
    def envoy_url(self) -> str:
        """Envoy's operators' port."""
        return "{scheme}://{host}:{port}".format(**self.about["envoy"])

    def parts(self) -> dict[str, dict[str, Any]]:
        """What runs, by name: `service`, `ready`, `pid`, `ports`."""
        return {part["name"]: part for part in self.command("mesh", "parts")}

    def restart(self, part: str) -> None:
        """Stops a part (`edge-0`), or each of a service in turn, with SIGTERM, and starts its successor on the same ports; returns when
        it is ready."""
        self._tell("restart", part)

    def scale(self, service: str, replicas: int) -> None:
        """Further replicas, or fewer; returns when all are ready."""
        self._tell("scale", service, str(replicas))

    def kill(self, part: str) -> int:
        """SIGKILL; the launcher starts it again on the same ports. Returns the process's id."""
        pid = self.parts()[part]["pid"]
        os.kill(pid, signal.SIGKILL)
        return pid

    def stats(self, pattern: str) -> dict[str, int]:
        """Envoy's counters and gauges whose names match a regular expression."""
        text = httpx.get(f"{self.envoy_url}/stats", params={"filter": pattern}, timeout=5).text
        rows = (line.rsplit(": ", 1) for line in text.splitlines() if ": " in line)
        return {name: int(value) for name, value in rows if value.isdigit()}

    def access_log(self, request_id: str | None = None, patience: float = 10.0) -> list[dict[str, Any]]:
        """Envoy's lines; with `request_id` those of that call, waited for."""
        deadline = time.monotonic() + patience
        while True:
            text = (self.data_dir / "mesh" / "access.log").read_text()
            rows = [json.loads(line) for line in text.splitlines()]
            found = [row for row in rows if request_id in (None, row.get("request_id"))]
            if found or request_id is None or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def _tell(self, *words: str) -> None:
        line = [str(RUNESTONE), "mesh", *words, "--data-dir", str(self.data_dir)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stderr + self.log.read_text()[-3000:]


@contextmanager
def envoy_mesh_running(
    *options: str, environment: Mapping[str, str] | None = None, **sections: Any
) -> Iterator[EnvoyMesh]:
    """`runestone mesh` until all is ready, with the configuration of `real_mesh` and these `sections` in place of its own; stopped with
    SIGTERM afterwards, and it must stop cleanly."""
    try:
        find_envoy()
    except LaunchError as error:
        pytest.skip(str(error))
    fake_port = free_port()
    with short_directory() as directory:
        config, log = directory / "runestone.yaml", directory / "log"
        config.write_text(json.dumps(write_sections(fake_port, sections)))
        ports = [word for name in ENVOY_PORTS for word in (name, str(free_port()))]
        command = [
            str(RUNESTONE),
            "mesh",
            "--config",
            str(config),
            "--data-dir",
            str(directory / "d"),
            *ports,
            *options,
        ]
        kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=kept | dict(environment or {})
            )
        mesh = EnvoyMesh(directory / "d", process, fake_port, log)
        try:
            wait_until_ready(mesh)
            yield mesh
        finally:
            stop(mesh)


ENVOY_PORTS = ("--port", "--plain-port", "--grpc-port", "--envoy-port")


def write_sections(fake_port: int, sections: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of `real_mesh`, without its ports: each edge has its own."""
    written = configuration(fake_port)
    written["edge"] = {"http": {"max_body": "1MiB"}}
    return written | dict(sections)


def wait_until_ready(mesh: EnvoyMesh) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while not (mesh.data_dir / "mesh.json").exists():
        assert mesh.process.poll() is None, mesh.log.read_text()[-3000:]
        assert time.monotonic() < deadline, f"not ready:\n{mesh.log.read_text()[-3000:]}"
        time.sleep(0.05)


def stop(mesh: EnvoyMesh) -> None:
    mesh.process.send_signal(signal.SIGTERM)
    try:
        code = mesh.process.wait(STOP_PATIENCE)
    finally:
        mesh.process.kill()
    assert code == 0, mesh.log.read_text()[-3000:]
