"""A real mesh, started by the real command."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from chassis.testing import free_port, short_directory
from runestone.audit.v1.audit_pb2 import AuditRecord, SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub

ACME, LIMITED, OTHER = "acme-key-0123456789", "limited-key-0123456789", "other-key-0123456789"
RUNESTONE = Path(sys.executable).with_name("runestone")
START_PATIENCE = 30.0
# One target, asked once, whatever it wishes: what happens between several is another test's.
LONE = {"retries": {"attempts": 0}, "breaker": {"failures": 10**6}, "ejection": {"calls": 10**6}}
PRICES = [{"model": "*", "input": 1, "cached_input": 0.1, "output": 2}]  # dollars for a million tokens


@dataclass(frozen=True)
class Mesh:
    """A running mesh: where it is, and what its launcher says."""

    data_dir: Path
    process: subprocess.Popen[bytes]
    fake_port: int
    log: Path

    @property
    def about(self) -> dict[str, Any]:
        return json.loads((self.data_dir / "mesh.json").read_text())

    @property
    def url(self) -> str:
        return "{scheme}://{host}:{port}".format(**self.about["http"])

    @property
    def admin_url(self) -> str:
        return "http://{host}:{port}".format(**self.about["admin"])

    def command(self, *arguments: str) -> list[dict[str, Any]]:
        """What a `runestone ... --json` command prints, a JSON object a line."""
        line = [str(RUNESTONE), *arguments, "--data-dir", str(self.data_dir), "--json"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(row) for row in done.stdout.splitlines()]

    def audit_records(self, **conditions: Any) -> list[AuditRecord]:
        """Records, newest first."""
        with grpc.insecure_channel(self.about["services"]["audit"]) as channel:
            request = SearchRequest(page_size=1000, **conditions)
            return list(AuditServiceStub(channel).Search(request, timeout=5, wait_for_ready=True).records)

    def audit(self, request_id: str, patience: float = 10.0) -> AuditRecord:
        """The audit record of a call, waited for: it is shipped in the background."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if records := self.audit_records(request_id=request_id):
                return records[0]
            time.sleep(0.05)
        raise AssertionError(f"no audit record of {request_id} after {patience} s")


def configuration(fake_port: int, **sections: Any) -> dict[str, Any]:
    fake = f"http://127.0.0.1:{fake_port}"
    timeouts = {"connect": "2s", "first_byte": "2s", "idle": "2s", "total": "20s"}
    return {
        "edge": {
            "http": {"port": 0, "max_body": "1MiB"},
            "admin": {"port": 0},
            "websocket": {"port": 0},
            "grpc": {"port": 0},
        },
        "providers": [
            {"name": "sim", "kind": "simulated"},
            {
                "name": "fake",
                "kind": "openai_compatible",
                "base_url": f"{fake}/v1",
                "api_key": "upstream-secret",
                "timeouts": timeouts,
                "prices": PRICES,
                **LONE,
            },
            {
                "name": "claude",
                "kind": "anthropic",
                "base_url": fake,
                "api_key": "upstream-secret",
                "timeouts": timeouts,
                "prices": PRICES,
                **LONE,
            },
            {"name": "nobody", "kind": "openai_compatible", "base_url": f"http://127.0.0.1:{free_port()}/v1", **LONE},
        ],
        "models": [
            {"name": "simulated", "targets": [{"provider": "sim", "model": "simulated"}]},
            {"name": "claude", "targets": [{"provider": "claude", "model": "words=5"}]},
        ],
        "tenants": [
            {"name": "acme", "keys": [{"name": "ci", "secret": ACME}]},
            {"name": "other", "keys": [{"name": "ci", "secret": OTHER}]},
            {"name": "limited", "keys": [{"name": "ci", "secret": LIMITED, "limits": {"requests_per_minute": 2}}]},
        ],
        **sections,
    }


@contextmanager
def mesh_running(*options: str, **sections: Any) -> Iterator[Mesh]:
    """`runestone up` until its mesh is ready; stopped with SIGTERM afterwards, and it must stop cleanly."""
    fake_port = free_port()
    with short_directory() as directory:
        config = directory / "runestone.yaml"
        config.write_text(json.dumps(configuration(fake_port, **sections)))  # JSON is YAML
        log = directory / "log"
        command = [str(RUNESTONE), "up", "--config", str(config), "--data-dir", str(directory / "d"), *options]
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment)
        mesh = Mesh(directory / "d", process, fake_port, log)
        try:
            wait_until_ready(mesh)
            yield mesh
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(40)
            finally:
                process.kill()
        assert code == 0, log.read_text()[-3000:]


def wait_until_ready(mesh: Mesh) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while not (mesh.data_dir / "mesh.json").exists():
        assert mesh.process.poll() is None, mesh.log.read_text()[-3000:]
        assert time.monotonic() < deadline, f"not ready:\n{mesh.log.read_text()[-3000:]}"
        time.sleep(0.05)
