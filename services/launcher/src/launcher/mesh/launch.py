"""The mesh behind Envoy, from the lock to the last process: the composition root of `runestone mesh`."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from chassis.config import ConfigError
from launcher.address_book import dial_with, operators_files
from launcher.child import Child
from launcher.ending import Ending, obeying_signals
from launcher.errors import LaunchError
from launcher.inspection import PartStatus
from launcher.mesh.announcement import describe_mesh, write_lines
from launcher.mesh.desk import SOCKET, Desk
from launcher.mesh.envoy_process import find_envoy
from launcher.mesh.fleet import MARGIN, Fleet, FleetOrder, make_child
from launcher.mesh.groundwork import Groundwork
from launcher.mesh.order import MeshOrder
from launcher.mesh.parts import Ground, MeshPart, write_command
from launcher.mesh.readiness import Readiness, count, show_parts
from launcher.mesh.waiting import UP, drain_envoy, follow_file, wait_for_port, wait_until
from launcher.meshfile import clear_remains, find_mesh, remove_mesh_file, write_mesh_file
from launcher.rundir import data_lock, run_directory
from launcher.status import Board


async def launch_mesh(order: MeshOrder, board: Board) -> None:
    """Runs the mesh until SIGTERM or SIGINT, then stops it in order. Raises ConfigError for a wrong configuration, LaunchError when it cannot
    start or go on."""
    async with AsyncExitStack() as stack:
        stack.enter_context(data_lock(order.data_dir))
        clear_remains(order.data_dir)
        program = find_envoy()
        ground = Groundwork(order)
        ending = Ending()
        run_dir = stack.enter_context(run_directory())
        readiness = await stack.enter_async_context(Readiness(dial_with(operators_files(ground.settings.mesh))))
        stores = [make_child(store.command, order.restarts, ending.fail) for store in ground.stores]
        envoy = make_child(ground.files.command(program), order.restarts, ending.fail)
        mesh = RunningMesh(ground, readiness, ending, board)
        mesh.control = run_dir / SOCKET
        stack.enter_context(
            obeying_signals(ending, lambda: kill_all(mesh.fleet, envoy, *stores), mesh.rewrite_configuration)
        )
        for store, child in zip(ground.stores, stores, strict=True):
            stack.push_async_callback(child.stop, MARGIN)
            child.start()
            await wait_for_port(store.port, store.command.name)
        stack.push_async_callback(mesh.fleet.stop)
        stack.push_async_callback(_stop_envoy, envoy, ground)
        mesh.fleet.start()
        envoy.start()
        stack.callback(remove_mesh_file, order.data_dir)
        desk = Desk(mesh.control, restart=mesh.restart, scale=mesh.scale, show=mesh.show)
        await stack.enter_async_context(desk)
        await _run_until_end(mesh, ending)


class RunningMesh:
    """One mesh while it runs, and what it can be told."""

    def __init__(self, ground: Groundwork, readiness: Readiness, ending: Ending, board: Board) -> None:
        self._ground = ground
        self._readiness = readiness
        self._board = board
        self._started_at = time.time()
        self.control = ground.folder / SOCKET
        self.fleet = Fleet(ground.planned, self._make_order(ending))

    async def restart(self, name: str) -> None:
        """Restarts one part, or all of a service one after the other, each of which is ready before the next one stops. Raises LaunchError
        when there is none, or it is not ready in time."""
        meant = [part for part in self.fleet.parts if name in (part.name, part.service)]
        if not meant:
            raise LaunchError(f"there is no part {name}; there are {', '.join(map(str, self.fleet.parts))}")
        for part in meant:
            await self.fleet.restart(part)
            await self._wait_until_ready([part])

    async def scale(self, service: str, replicas: int) -> None:
        """Runs so many of `service`. Raises LaunchError where there may be one only, and when they are not ready in time."""
        if not self._ground.allows(service, replicas):
            raise LaunchError(f"there can be one {service} only: no other would share what it keeps")
        await self.fleet.scale(service, replicas)
        await self._wait_until_ready([part for part in self.fleet.parts if part.service == service])

    async def show(self) -> list[dict[str, object]]:
        """Every part, how it is and where it listens."""
        return await show_parts(self.fleet, self._readiness)

    async def announce(self) -> None:
        """Says that the mesh is there, as soon as it is."""
        versions: set[str] = set()

        async def look() -> list[PartStatus]:
            statuses = await self._readiness.statuses(self.fleet.parts, self._ground.ports.admin)
            versions.update(status.version for status in statuses if status.version)
            return statuses

        await self._board.wait_until_ready(look)
        self._write_mesh_file(self.fleet.parts, min(versions, default=""))
        mesh = find_mesh(self._ground.order.data_dir)
        for line in (*self._ground.notices, *write_lines(mesh, self._ground.key_file)):
            self._board.say(line)

    async def follow_configuration(self) -> None:
        """Looks after the user's file until it is cancelled."""
        if (path := self._ground.order.config) is not None:
            await follow_file(path, self.rewrite_configuration)

    def rewrite_configuration(self) -> None:
        """The user's file may have changed: the parts follow theirs."""
        try:
            self._ground.write_configuration()
        except (ConfigError, LaunchError, ValueError) as error:
            self._board.say(f"the changed configuration is not used: {error}")

    def _make_order(self, ending: Ending) -> FleetOrder:
        order, drain = self._ground.order, self._ground.settings.edge.drain
        common = Ground(
            command=(sys.executable, "-m", "launcher"),
            config=self._ground.config,
            data_dir=order.data_dir,
            log_level=order.log_level,
        )
        return FleetOrder(
            command_of=lambda part: write_command(part, common),
            plan=self._ground.plan_part,
            patience=drain.delay + drain.grace + drain.ship + MARGIN,
            restarts=order.restarts,
            on_change=self._note_parts,
            on_loss=ending.fail,
        )

    def _note_parts(self, parts: Sequence[MeshPart]) -> None:
        self._ground.write_places(parts)
        self._write_mesh_file(parts, find_mesh(self._ground.order.data_dir).version)

    def _write_mesh_file(self, parts: Sequence[MeshPart], version: str) -> None:
        mesh = describe_mesh(
            self._ground, parts, self.control, version=version, pid=os.getpid(), started_at=self._started_at
        )
        write_mesh_file(self._ground.order.data_dir, mesh)

    async def _wait_until_ready(self, parts: Sequence[MeshPart]) -> None:
        async def are_ready() -> bool:
            statuses = await asyncio.gather(*map(self._readiness.status, parts))
            return all(status.is_ready for status in statuses) and await self._are_found(parts)

        if not await wait_until(are_ready, UP):
            raise LaunchError(f"not ready within {UP:g} s: {', '.join(map(str, parts))}")

    async def _are_found(self, parts: Sequence[MeshPart]) -> bool:
        """Whether Envoy, too, calls all of these parts' services well: it looks once a second."""
        services = {part.service for part in parts}
        expected = count([part for part in self.fleet.parts if part.service in services])
        return (await self._readiness.envoy_status(self._ground.ports.admin, expected)).is_ready


async def _run_until_end(mesh: RunningMesh, ending: Ending) -> None:
    """Returns when the mesh is to stop; raises what ended it."""
    tasks = [asyncio.create_task(work) for work in (mesh.announce(), mesh.follow_configuration())]
    for task in tasks:
        task.add_done_callback(lambda done: _note_failure(done, ending))
    try:
        await ending.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _note_failure(task: "asyncio.Task[None]", ending: Ending) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        ending.fail(LaunchError(f"the mesh cannot go on: {error}"))


async def _stop_envoy(envoy: Child, ground: Groundwork) -> None:
    """Calls that run through it have the edges' grace."""
    await drain_envoy(ground.ports.admin, ground.settings.edge.drain.grace)
    await envoy.stop(MARGIN)


def kill_all(fleet: Fleet, *children: Child) -> None:
    """Ends everything now."""
    fleet.kill()
    for child in children:
        child.kill()
