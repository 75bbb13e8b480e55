"""A Redis behind the mesh, which forgets with its end."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from launcher.child import Command
from launcher.mesh.envoy_process import LEASH
from launcher.mesh.parts import LOOPBACK
from launcher.mesh.store import Store


def plan_redis(folder: Path, ports: Iterator[int]) -> Store | None:
    """One in `folder`; None where there is no program for it."""
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
