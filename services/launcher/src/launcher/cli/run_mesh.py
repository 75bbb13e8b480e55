"""What `mesh` does: logs, an event loop, the mesh in it."""

import asyncio

from rich.console import Console

from chassis import logs
from chassis.config import ConfigError
from launcher.errors import LaunchError
from launcher.mesh.launch import launch_mesh
from launcher.mesh.order import MeshOrder
from launcher.rundir import refuse_busy
from launcher.status import Board


def run_mesh(order: MeshOrder) -> None:
    """Runs the mesh until it is told to stop. Raises LaunchError when it cannot start or go on."""
    refuse_busy(order.data_dir)
    logs.configure(level=order.log_level)
    try:
        asyncio.run(launch_mesh(order, Board(Console())))
    except ConfigError as error:
        raise LaunchError("\n".join(problem.tell(order.config) for problem in error.problems)) from error
