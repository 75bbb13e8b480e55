"""What is measured: each target is a port to ask and the processes whose CPU counts."""

import contextlib
import json
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.processes import GATEWAY_CORE, LOAD_CORE, process, pss_mib, wait_for

KEY = "bench-key-0123456789"
PYTHON = sys.executable


@dataclass(frozen=True)
class Target:
    """Something that answers chat completions. `pid` roots the tree that is measured; `ready_after` in seconds."""

    name: str
    port: int
    pid: int
    ready_after: float
    idle_mib: float


@contextlib.contextmanager
def upstream() -> Iterator[Target]:
    """The upstream itself: calling it is `direct`."""
    port = _free_port()
    command = [PYTHON, "-m", "bench.upstream", str(port)]
    with tempfile.TemporaryDirectory() as directory, process(command, LOAD_CORE, Path(directory, "log")) as started:
        ready_after = wait_for(lambda: _is_listening(port))
        yield Target("direct", port, started.pid, ready_after, pss_mib(started.pid))


@contextlib.contextmanager
def runestone(upstream_port: int, *options: str) -> Iterator[Target]:
    """The whole mesh, all services real: auth, limits, cache look-up and audit on."""
    with tempfile.TemporaryDirectory(prefix="rb-", dir="/tmp") as directory:
        data = Path(directory, "d")
        config = Path(directory, "runestone.yaml")
        config.write_text(json.dumps(_configuration(upstream_port)))
        command = [
            str(Path(PYTHON).with_name("runestone")),
            "up",
            "--config",
            str(config),
            "--data-dir",
            str(data),
            "--log-level",
            "warning",
            *options,
        ]
        log = Path(directory, "log")
        with process(command, GATEWAY_CORE, log) as started:
            try:
                ready_after = wait_for((data / "mesh.json").exists)
            except TimeoutError:
                sys.exit(log.read_text()[-3000:])
            about = json.loads((data / "mesh.json").read_text())
            name = "runestone, one process" if options else "runestone"
            yield Target(name, about["http"]["port"], started.pid, ready_after, pss_mib(started.pid))


def _configuration(upstream_port: int) -> dict[str, object]:
    return {
        "edge": {"http": {"port": 0}, "admin": {"port": 0}},
        "providers": [{"name": "up", "kind": "openai_compatible", "base_url": f"http://127.0.0.1:{upstream_port}/v1", "api_key": "k"}],
        "models": [
            {"name": name, "targets": [{"provider": "up", "model": name}]} for name in ("burst", "paced")
        ],
        "tenants": [{"name": "bench", "limits": {"requests_per_minute": 100_000_000}, "keys": [{"name": "k", "secret": KEY}]}],
    }  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
