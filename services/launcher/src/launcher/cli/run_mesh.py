"""What `mesh` does: an order, logs, an event loop, the mesh in it."""

import asyncio
from pathlib import Path

from rich.console import Console

from chassis import logs
from chassis.config import ConfigError
from launcher.configuration import find_config, find_data_dir
from launcher.errors import LaunchError
from launcher.mesh.envoy_process import EnvoyPorts as MeshPorts
from launcher.mesh.launch import launch_mesh
from launcher.mesh.order import MeshOrder
from launcher.rundir import refuse_busy
from launcher.status import Board

__all__ = ["MeshPorts", "run_mesh"]


def run_mesh(
    config: Path | None, data_dir: Path | None, edges: int, replicas: int, ports: MeshPorts, log_level: str
) -> None:
    """Runs the mesh until it is told to stop. Raises LaunchError when it cannot start or go on."""
    path, where = find_config(config), find_data_dir(data_dir)
    refuse_busy(where)
    logs.configure(level=log_level)
    order = MeshOrder(config=path, data_dir=where, edges=edges, replicas=replicas, ports=ports, log_level=log_level)
    try:
        asyncio.run(launch_mesh(order, Board(Console())))
    except ConfigError as error:
        raise LaunchError("\n".join(problem.tell(path) for problem in error.problems)) from error
