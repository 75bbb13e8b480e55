"""A mesh of services that each run on their own, as in pods: `runestone serve`, over TCP, with mutual TLS."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from real_mesh import ACME, RUNESTONE

from chassis.testing import free_port, short_directory

SERVICES = ("cache", "ratelimit", "provider", "audit", "edge")
PATIENCE = 60.0  # seconds until all are ready


@dataclass
class ServedMesh:
    """Where everything is. `certificates` is the folder that `runestone certs create` filled."""

    directory: Path
    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def certificates(self) -> Path:
        return self.directory / "certs"

    @property
    def config(self) -> Path:
        return self.directory / "runestone.yaml"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['admin']}"

    def address(self, service: str) -> str:
        return f"127.0.0.1:{self.ports[service]}"

    def command(self, *arguments: str, **environment: str) -> list[dict[str, Any]]:
        """What a `runestone ... --json` command prints, a JSON object a line."""
        line = [str(RUNESTONE), *arguments, "--json"]
        surroundings = {**os.environ, "RUNESTONE_CONFIG": str(self.config), **environment}
        done = subprocess.run(
            line, capture_output=True, text=True, timeout=30, check=False, cwd=self.directory, env=surroundings
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(row) for row in done.stdout.splitlines()]

    def start(self, service: str) -> None:
        with (self.directory / f"{service}.log").open("ab") as log:
            command = [sys.executable, "-m", "launcher", "serve", service, "--config", str(self.config)]
            command += ["--data-dir", str(self.directory / service)]
            self.processes[service] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, service: str) -> int:
        """Its exit code."""
        process = self.processes.pop(service)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(40)
        finally:
            process.kill()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            for service, process in self.processes.items():
                assert process.poll() is None, self.log(service)
            assert time.monotonic() < deadline, "\n".join(map(self.log, SERVICES))
            time.sleep(0.1)

    def log(self, service: str) -> str:
        return f"{service}: {(self.directory / f'{service}.log').read_text()[-2000:]}"

    def _is_ready(self) -> bool:
        """The edge is up, and a call goes through all services."""
        body = json.dumps({"model": "simulated", "messages": [{"role": "user", "content": "ready?"}]}).encode()
        headers = {"authorization": f"Bearer {ACME}", "content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/v1/chat/completions", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status == 200 and answer.headers.get("x-runestone-degraded") is None
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


def configuration(ports: dict[str, int], certificates: Path) -> dict[str, Any]:
    place = f"{certificates}/{{service}}"
    peers = {
        service: {"listen": f"127.0.0.1:{ports[service]}", "endpoints": [f"127.0.0.1:{ports[service]}"]}
        for service in SERVICES
        if service != "edge"
    }
    return {
        "edge": {name: {"port": ports[name]} for name in ("http", "admin", "websocket", "grpc")},
        "mesh": {**peers, "tls": {"cert": f"{place}/tls.crt", "key": f"{place}/tls.key", "ca": f"{place}/ca.crt"}},
        "providers": [{"name": "sim", "kind": "simulated"}],
        "models": [{"name": "simulated", "targets": [{"provider": "sim", "model": "simulated"}]}],
        "tenants": [{"name": "acme", "keys": [{"name": "ci", "secret": ACME}]}],
    }


@contextmanager
def served_mesh_running() -> Iterator[ServedMesh]:
    """All services until a call goes through all of them; stopped with SIGTERM, callers first, and each must stop cleanly."""
    with short_directory() as directory:
        names = (*SERVICES, "http", "admin", "websocket", "grpc")
        mesh = ServedMesh(directory, {name: free_port() for name in names})
        mesh.config.write_text(json.dumps(configuration(mesh.ports, mesh.certificates)))  # JSON is YAML
        mesh.command("certs", "create", "--out", str(mesh.certificates))
        try:
            for service in SERVICES:
                mesh.start(service)
            mesh.wait_until_ready()
            yield mesh
            assert {service: mesh.stop(service) for service in reversed(SERVICES)} == dict.fromkeys(SERVICES, 0)
        finally:
            for process in mesh.processes.values():
                process.kill()
                process.wait()
