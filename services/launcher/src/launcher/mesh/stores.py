"""The stores behind the mesh: those that are found on this machine, as children of the launcher."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from launcher.child import Command
from launcher.mesh.envoy_process import LEASH
from launcher.mesh.parts import LOOPBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A store to run: the address that services are given, the port that says that it is up, and how it is started."""

    url: str
    port: int
    command: Command


def plan_redis(folder: Path, ports: Iterator[int]) -> Store | None:
    """A Redis that forgets with its end; None where there is no program for it."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        return None
    port = next(ports)
    options = [
        *("--bind", LOOPBACK, "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no"),
        *("--loglevel", "warning", "--logfile", str(folder / "redis.log"), "--daemonize", "no"),
    ]
    command = Command(name="redis", arguments=[*LEASH, program, *options])
    return Store(url=f"redis://{LOOPBACK}:{port}/0", port=port, command=command)
