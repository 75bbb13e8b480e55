"""The whole mesh on one machine, from the lock to the last socket: the composition root of `runestone up`."""

import asyncio
import gc
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from chassis.clock import SystemClock
from chassis.config import Settings
from chassis.config.document import spell
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.reload.file_follower import FileFollower
from chassis.reload.reloader import Reloader
from chassis.reload.source import Source
from chassis.snapshots import take_snapshot
from launcher.address_book import dial_with, operators_files
from launcher.admin import AdminPort
from launcher.backoff import RestartPolicy
from launcher.cache_desk import CacheDesk
from launcher.configuration import Configuration
from launcher.control import serving_control
from launcher.defaults import model_to_try
from launcher.doors import Doors
from launcher.ending import Ending, obeying_signals
from launcher.errors import LaunchError
from launcher.inspection import Inspector
from launcher.installed import refuse_absent
from launcher.kept_port import KeptPort
from launcher.liveness import LivenessPolicy
from launcher.mesh_certificates import find_certificate_problems
from launcher.meshfile import HttpAddress, MeshFile, clear_remains, remove_mesh_file, restate_mesh, write_mesh_file
from launcher.one_process import OneProcess
from launcher.plan import Plan, make_plan, socket_address
from launcher.publisher import Publisher
from launcher.rollout import PATIENCE, Rollout
from launcher.rundir import data_lock, run_directory
from launcher.status import Board, describe_mesh
from launcher.supervisor import Supervisor, Surroundings
from launcher.target_desk import TargetDesk
from launcher.topology import TOPOLOGY, Node


class Runner(Protocol):
    """What runs the parts: many processes or one."""

    async def start(self) -> None:
        """Starts all; raises LaunchError when that cannot be."""

    async def stop(self, grace: float) -> None:
        """Stops all, callers first; running calls have `grace` seconds."""

    def kill(self) -> None:
        """Ends all now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to run: complete settings (see `configuration.load`), where to keep data, as one process or many.

    `source` is where the settings came from and are read from again, `config` its file, None for every default; `key_file` is
    where a key is that can be used for a first call. Each step of a reload may take `reload_patience` seconds.
    """

    settings: Settings
    source: Source[Configuration]
    data_dir: Path
    config: Path | None = None
    key_file: Path | None = None
    is_one_process: bool = False
    log_level: str = "info"
    topology: Sequence[Node] = TOPOLOGY
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    liveness: LivenessPolicy = field(default_factory=LivenessPolicy)
    reload_patience: float = PATIENCE


async def launch(order: Launch, board: Board) -> None:
    """Runs the mesh until SIGTERM or SIGINT, then stops it in order; SIGHUP reloads the configuration.

    Raises LaunchError when it cannot start (a port is taken, another mesh runs here) or when a part keeps ending.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(data_lock(order.data_dir))
        clear_remains(order.data_dir)
        run_dir = stack.enter_context(run_directory())
        edge = order.settings.edge
        doors = _open_doors(order, stack)
        grpc = KeptPort(edge.grpc.host, edge.grpc.port) if edge.grpc.enabled else None
        if grpc is not None:
            stack.callback(grpc.close)
        publisher, metrics, ending = Publisher(order.settings), Metrics(), Ending()
        control = socket_address(run_dir, "control")
        await stack.enter_async_context(serving_control(publisher, control, metrics))
        plan = make_plan(order.topology, _fit(order), run_dir)
        refuse_absent(part.node.module for part in plan.parts)
        _check_certificates(order.settings, plan)
        tls = operators_files(order.settings.mesh)
        dial = dial_with(tls)
        inspector = await stack.enter_async_context(Inspector(plan.parts, dial=dial))
        reloader = _make_reloader(order, Rollout(publisher, plan.parts, patience=order.reload_patience), metrics)
        services = plan.addresses | {part.name: part.address for part in plan.parts}
        admin = AdminPort(
            edge.admin,
            inspector,
            reloader,
            CacheDesk(services, dial),
            TargetDesk(services, dial),
            snapshot=lambda: publisher.current,
            metrics=metrics,
        )
        await stack.enter_async_context(admin)
        ports = {} if grpc is None else {"grpc": grpc.port}
        ground = _Ground(plan=plan, control=control, doors=doors, ports=ports, metrics=metrics, inspector=inspector)
        runner = _make_runner(order, ground, ending)
        follower = FileFollower(reloader, order.source, get_logger("launcher"))
        stack.enter_context(obeying_signals(ending, runner.kill, follower.look_again))
        stack.push_async_callback(runner.stop, edge.drain.delay + edge.drain.grace + edge.drain.ship)
        stack.callback(remove_mesh_file, order.data_dir)
        stack.push_async_callback(follower.end)
        await runner.start()
        follower.begin()
        _say_notices(order, plan, board)
        mesh = MeshFile(
            pid=os.getpid(),
            version=publisher.current.version,
            control=control,
            http=HttpAddress(edge.http.host, doors["http"].port, "https" if edge.http.tls else "http"),
            websocket=HttpAddress(edge.http.host, doors["websocket"].port, "wss" if edge.http.tls else "ws"),
            admin=admin.address,
            grpc=HttpAddress(edge.grpc.host, grpc.port, "https" if edge.grpc.tls else "http") if grpc else None,
            services=services,
            started_at=time.time(),
            config=str(order.config) if order.config else None,
            model=model_to_try(order.settings),
            tls=tls,
        )
        await _run_until_end(order, board, inspector, mesh, ending)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What a runner stands on."""

    plan: Plan
    control: str
    doors: Mapping[str, Doors]
    ports: Mapping[str, int]
    metrics: Metrics
    inspector: Inspector


def _open_doors(order: Launch, stack: AsyncExitStack) -> dict[str, Doors]:
    """The edge's ports by the names of their sockets; closed with the stack."""
    edge, doors = order.settings.edge, {}
    for name, port in (("http", edge.http.port), ("websocket", edge.websocket.port)):
        doors[name] = Doors(edge.http.host, port, 1 if order.is_one_process else edge.workers, f"edge.{name}")
        stack.callback(doors[name].close)
    return doors


def _make_reloader(order: Launch, rollout: Rollout, metrics: Metrics) -> Reloader:
    return Reloader(
        lambda: take_snapshot(order.source.read().settings),
        rollout,
        metrics=metrics,
        log=get_logger("launcher"),
        on_change=lambda snapshot: restate_mesh(order.data_dir, snapshot.version, model_to_try(snapshot.settings)),
    )


def _make_runner(order: Launch, ground: _Ground, ending: Ending) -> Runner:
    if order.is_one_process:
        return OneProcess(ground.plan.stages, order.data_dir, ground.control, ground.doors, ground.ports)
    restarts = ground.metrics.counter("part_restarts", "Parts that ended and were started again", ("part",))
    grace = order.settings.edge.drain.grace
    return Supervisor(
        ground.plan.stages,
        Surroundings(
            control=ground.control,
            data_dir=order.data_dir,
            grace=grace,
            log_level=order.log_level,
            ports=ground.ports,
        ),
        ground.doors,
        policy=order.restarts,
        liveness=order.liveness,
        probe=ground.inspector.statuses,
        clock=SystemClock(),
        log=get_logger("launcher"),
        on_restart=lambda part: restarts.labels(part).inc(),
        on_loss=ending.fail,
    )


def _fit(order: Launch) -> Settings:
    """One process has one edge."""
    edge = order.settings.edge
    return replace(order.settings, edge=replace(edge, workers=1)) if order.is_one_process else order.settings


def _check_certificates(settings: Settings, plan: Plan) -> None:
    """Raises LaunchError with every file that one of the parts could not use."""
    names = list(dict.fromkeys(part.node.name for part in plan.parts))
    if problems := list(find_certificate_problems(settings.mesh, names)):
        raise LaunchError("\n".join(f"{spell(path)}: {message}" for path, message in problems))


def _say_notices(order: Launch, plan: Plan, board: Board) -> None:
    if order.is_one_process and order.settings.edge.workers > 1:
        board.say("edge.workers has no effect with --one-process")
    plain = [part.name for part in plan.parts if part.address.startswith("unix:")]
    if order.settings.mesh.tls is not None and plain:
        board.say(
            f"mesh.tls is for TCP: {', '.join(plain)} listen on unix sockets, which only this user reaches, in the clear"
        )


async def _run_until_end(order: Launch, board: Board, inspector: Inspector, mesh: MeshFile, ending: Ending) -> None:
    announcing = asyncio.create_task(_announce(order, board, inspector, mesh))
    announcing.add_done_callback(_fail_with(ending))
    try:
        await ending.wait()
    finally:
        announcing.cancel()
        await asyncio.wait([announcing])


async def _announce(order: Launch, board: Board, inspector: Inspector, mesh: MeshFile) -> None:
    await board.wait_until_ready(inspector.statuses)
    write_mesh_file(order.data_dir, mesh)
    if order.is_one_process:
        gc.collect()
        gc.freeze()
    for line in describe_mesh(mesh, order.key_file):
        board.say(line)


def _fail_with(ending: Ending) -> "Callable[[asyncio.Task[None]], None]":
    """An announcement that cannot be made (the disk is full) is no reason to run on unfound."""

    def note_end(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            ending.fail(LaunchError(f"cannot announce the mesh: {error}"))

    return note_end
