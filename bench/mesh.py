"""Ours: the whole mesh, all services real; authentication, limits, cache look-up and audit on."""

import json
import subprocess
import sys
from pathlib import Path

from bench.targets import KEY, Command, Manner, Place

ROOT = Path(__file__).parents[1]


class Runestone:
    """Each service a process; with `one_process`, all of them in one."""

    has_cache = True
    is_peer = False
    warm_up = 0.0

    def __init__(self, *, one_process: bool = False) -> None:
        self.name = "runestone, one process" if one_process else "runestone"
        self._options = ["--one-process"] if one_process else []

    def manner(self, _upstream: int) -> Manner:
        """As OpenAI's clients ask."""
        return Manner()

    def install(self) -> str:
        """It is what this checkout holds; its version is the commit."""
        command = ["git", "-c", "safe.directory=*", "describe", "--always", "--dirty"]
        described = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
        return described.stdout.strip() or "not a checkout"

    def prepare(self, place: Place) -> Command:
        """Writes a configuration with two models and one tenant, limited but never out of allowance."""
        config = place.directory / "runestone.yaml"
        config.write_text(json.dumps(self.configure(place)))
        words = [
            *(sys.executable, "-m", "launcher", "up", "--config", str(config)),
            *("--data-dir", str(place.directory / "data"), "--log-level", "warning", *self._options),
        ]
        return Command(words=words)

    def configure(self, place: Place) -> dict[str, object]:
        """What the mesh is configured with."""
        return configure(place)


def configure(place: Place) -> dict[str, object]:
    """The configuration; YAML reads JSON."""
    base_url = f"http://127.0.0.1:{place.upstream}/v1"
    return {
        "edge": {"http": {"port": place.port}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}},
        "providers": [{"name": "up", "kind": "openai_compatible", "base_url": base_url, "api_key": "k"}],
        "models": [{"name": name, "targets": [{"provider": "up", "model": name}]} for name in ("burst", "paced")],
        "tenants": [
            {
                "name": "bench",
                "limits": {"requests_per_minute": 100_000_000},
                "keys": [{"name": "k", "secret": KEY}],
            }
        ],
    }
