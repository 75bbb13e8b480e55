"""One service as a process of its own, without a launcher: addresses come from the configuration's `mesh` section.

The edge brings the operators' port along, which in a mesh of one machine is the launcher's.
"""

import argparse
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from chassis import logs
from chassis.config import ConfigError, Settings
from chassis.config.schema import AdminDoor, Drain
from chassis.errors import RunestoneError
from chassis.main import run
from chassis.metrics import Metrics
from chassis.reload.followed import FollowedControl, FollowedFile
from chassis.reload.reloader import Reloader
from chassis.reload.source import Source
from chassis.runtime import Runtime, Service
from launcher.admin import AdminPort
from launcher.cache_desk import CacheDesk
from launcher.configuration import OwnConfiguration, find_config, find_data_dir, open_own_source
from launcher.errors import LaunchError
from launcher.inspection import Inspector
from launcher.one_process import load_service
from launcher.plan import LOOPBACK, Part, find_peer, socket_address, with_port
from launcher.rundir import run_directory
from launcher.service_port import ServicePort
from launcher.target_desk import TargetDesk
from launcher.topology import TOPOLOGY, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """The command line of `serve`; what is empty or None, and peers and ports that are not named, come from the configuration."""

    service: str
    listen: str = ""
    peers: list[str]
    sockets: list[str]
    ports: list[str] = field(default_factory=list)
    config: Path | None
    control: str | None
    data_dir: Path | None
    worker: int
    grace: float | None
    log_level: str
    lifeline: bool


def serve_alone(options: ServeOptions) -> None:
    """Runs the service until SIGTERM, SIGINT or the end of its lifeline; its file is followed, and SIGHUP reads it again.

    Raises LaunchError when it cannot start.
    """
    import uvloop  # noqa: PLC0415  not every platform has it

    node = next(node for node in TOPOLOGY if node.name == options.service)
    data_dir = find_data_dir(options.data_dir)
    config = None if options.control else find_config(options.config)
    options = replace(options, data_dir=data_dir, config=config)

    try:
        with run_directory() if node.has_door else nullcontext(Path()) as run_dir:
            source = open_own_source(node.name, config, data_dir)
            first = None if options.control else source.read()
            arguments = _make_arguments(options, node, first, run_dir)
            logs.configure(level=options.log_level)
            uvloop.run(_run(node, arguments, source, first))
    except ConfigError as error:
        raise LaunchError("\n".join(problem.tell(config) for problem in error.problems)) from error
    except (OSError, TimeoutError, RunestoneError) as error:
        raise LaunchError(f"{node.name} cannot start: {error}") from error


async def _run(
    node: Node, arguments: argparse.Namespace, source: Source[OwnConfiguration], first: OwnConfiguration | None
) -> None:
    """Runs the service under the settings of `source`, `first` of them, or of the ControlService that the arguments name."""
    if first is None:
        followed = FollowedControl(node.name, arguments.control, arguments.worker)
        await run(_with_admin_port(node, None, Metrics()), arguments, followed)
        return
    metrics = Metrics()
    follower = FollowedFile(node.name, source, first.snapshot, lambda read: read.snapshot, metrics=metrics)
    await run(_with_admin_port(node, follower.reloader, metrics), arguments, follower)


def _make_arguments(
    options: ServeOptions, node: Node, first: OwnConfiguration | None, run_dir: Path
) -> argparse.Namespace:
    settings, drain = (first.snapshot.settings, first.drain) if first else (Settings(), Drain())
    named = [peer.partition("=")[0] for peer in options.peers]
    found = [f"{name}={find_peer(name, settings)}" for name in node.peers if name not in named]
    return argparse.Namespace(
        listen=options.listen or find_listen(node, settings, run_dir),
        peer=[*options.peers, *found],
        socket=options.sockets,
        port=options.ports,
        control=options.control,
        data_dir=options.data_dir,
        worker=options.worker,
        grace=drain.grace if options.grace is None else options.grace,
        delay=0.0 if node.has_door else drain.delay,  # the edge's doors wait themselves
        lifeline=options.lifeline,
    )


def find_listen(node: Node, settings: Settings, run_dir: Path) -> str:
    """Where a service on its own listens: `mesh.<name>.listen`, or its default port on loopback.

    The edge's gRPC server only says how the edge is, to its own admin port: a private socket.
    """
    if node.has_door:
        return socket_address(run_dir, node.name)
    listen = getattr(settings.mesh, node.name).listen
    return with_port(LOOPBACK if listen == "unix" else listen, node.name)


def _with_admin_port(node: Node, reloader: Reloader | None, metrics: Metrics) -> Service:
    """The node's service, with a port for operators that is opened before anything else: the one with the door has the mesh's, any other
    its own where `mesh.<name>.admin` says so."""
    service = load_service(node.module)
    if not node.has_door:
        return _with_service_port(service, metrics)

    async def build(runtime: Runtime) -> None:
        part = Part(name=node.name, node=node, worker=runtime.place.worker, address=runtime.place.listen, peers={})
        inspector = await runtime.open(Inspector([part]))
        await runtime.open(
            AdminPort(
                _admin_door(runtime),
                inspector,
                reloader,
                CacheDesk(runtime.place.peers, runtime.security.dial),
                TargetDesk(runtime.place.peers, runtime.security.dial),
                snapshot=lambda: runtime.snapshots.current,
                metrics=metrics,
            )
        )
        await service.build(runtime)

    return Service(service.name, build)


def _with_service_port(service: Service, metrics: Metrics) -> Service:
    async def build(runtime: Runtime) -> None:
        address = getattr(runtime.settings.mesh, service.name).admin
        if address is not None:
            feed = runtime.snapshots
            port = ServicePort(
                service.name,
                address,
                runtime.facts,
                runtime.metrics,
                metrics,
                version=lambda: feed.current.version,
            )
            await runtime.open(port)
        await service.build(runtime)

    return Service(service.name, build)


def _admin_door(runtime: Runtime) -> AdminDoor:
    door = runtime.settings.edge.admin
    return structs.replace(door, port=runtime.place.ports.get("admin", door.port))
