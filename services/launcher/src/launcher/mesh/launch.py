"""The mesh behind Envoy, from the lock to the last process: the composition root of `runestone mesh`."""

import asyncio
import datetime as dt
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import yaml

from chassis.config import Settings
from launcher.child import Child
from launcher.configuration import load, read_text
from launcher.defaults import model_to_try
from launcher.ending import Ending, obeying_signals
from launcher.errors import LaunchError
from launcher.inspection import PartStatus
from launcher.mesh.certificate import ensure_certificate
from launcher.mesh.configuration import Surroundings, extend_document, write_document
from launcher.mesh.counts import count_replicas
from launcher.mesh.desk import SOCKET, Desk
from launcher.mesh.envoy_process import EnvoyFiles, EnvoyPorts, find_envoy, replace_text
from launcher.mesh.fleet import MARGIN, Fleet, FleetOrder, make_child
from launcher.mesh.free_ports import free_ports, settle_port
from launcher.mesh.local_site import local_site
from launcher.mesh.order import MeshOrder
from launcher.mesh.parts import (
    LOOPBACK,
    SERVICES,
    Ground,
    MeshPart,
    list_addresses,
    list_clusters,
    plan_part,
    plan_parts,
    write_command,
)
from launcher.mesh.readiness import Readiness
from launcher.mesh.stores import Store, plan_redis
from launcher.meshfile import HttpAddress, MeshFile, clear_remains, find_mesh, remove_mesh_file, write_mesh_file
from launcher.rundir import data_lock, run_directory
from launcher.status import Board, write_curl

FOLDER = "mesh"  # in the data directory: what is written for this mesh
UP = 60.0  # seconds for a store, or for a part that was started again
PAUSE = 0.1


async def launch_mesh(order: MeshOrder, board: Board) -> None:
    """Runs the mesh until SIGTERM or SIGINT, then stops it in order. Raises LaunchError when it cannot start or go on."""
    async with AsyncExitStack() as stack:
        stack.enter_context(data_lock(order.data_dir))
        clear_remains(order.data_dir)
        mesh = RunningMesh(order, board)
        await mesh.run(stack)


class RunningMesh:
    """One mesh: what was planned, and what runs."""

    def __init__(self, order: MeshOrder, board: Board) -> None:
        self._order = order
        self._board = board
        self._program = find_envoy()
        self._folder = order.data_dir.absolute() / FOLDER
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._free = free_ports()
        self._ports = _settle_ports(order.ports, self._free)
        self._files = EnvoyFiles(self._folder)
        self._authority = ensure_certificate(self._folder / "tls", dt.datetime.now(dt.UTC))
        self._redis = plan_redis(self._folder, self._free)
        self._lists = {name: self._folder / f"{name}.addresses" for name in SERVICES if name != "edge"}
        self._config = self._folder / "runestone.yaml"
        self._settings, self._key_file = self._write_configuration()
        counts = count_replicas(self._settings, order.edges, order.replicas)
        self._notices = counts.notices
        self._planned = plan_parts(counts.replicas, self._free)
        self._write_places(self._planned)
        self._files.write_bootstrap(
            local_site(self._ports, self._files, self._folder / "tls", rate_limits=has_domains(self._settings))
        )

    async def run(self, stack: AsyncExitStack) -> None:
        """Starts everything, waits for the end, stops everything."""
        self._ending = Ending()
        self._run_dir = stack.enter_context(run_directory())
        self._readiness = await stack.enter_async_context(Readiness())
        stores = [make_child(store.command, self._order.restarts, self._ending.fail) for store in self._stores]
        self._fleet = Fleet(self._planned, self._fleet_order())
        envoy = make_child(self._files.command(self._program), self._order.restarts, self._ending.fail)
        stack.enter_context(
            obeying_signals(self._ending, lambda: kill_all(self._fleet, envoy, *stores), self._rewrite_configuration)
        )
        await self._start_stores(stores, stack)
        stack.push_async_callback(self._fleet.stop)
        stack.push_async_callback(self._stop_envoy, envoy)
        self._fleet.start()
        envoy.start()
        desk = Desk(self._run_dir / SOCKET, restart=self._restart, scale=self._scale, show=self._show)
        await stack.enter_async_context(desk)
        stack.callback(remove_mesh_file, self._order.data_dir)
        await self._announce_and_wait()

    @property
    def _stores(self) -> list[Store]:
        return [self._redis] if self._redis and self._uses(self._redis.url) else []

    def _uses(self, url: str) -> bool:
        settings = self._settings
        return url in (settings.cache.store, settings.ratelimit.store, settings.audit.store)

    def _fleet_order(self) -> FleetOrder:
        drain = self._settings.edge.drain
        ground = Ground(
            command=(sys.executable, "-m", "launcher"),
            config=self._config,
            data_dir=self._order.data_dir,
            log_level=self._order.log_level,
        )
        return FleetOrder(
            command_of=lambda part: write_command(part, ground),
            plan=lambda service, number: plan_part(service, number, self._free),
            patience=drain.delay + drain.grace + MARGIN,
            restarts=self._order.restarts,
            on_change=self._note_parts,
            on_loss=self._ending.fail,
        )

    # Files.

    def _write_configuration(self) -> tuple[Settings, Path | None]:
        """Writes the parts' file anew, and reads it as they will. Raises ConfigError for what is wrong with it."""
        document = yaml.safe_load(read_text(self._order.config)) or {}
        if not isinstance(document, dict):
            raise LaunchError(f"{self._order.config}: must be sections with names")
        around = Surroundings(
            lists={name: str(path.absolute()) for name, path in self._lists.items()},
            redis=self._redis.url if self._redis else None,
        )
        text = write_document(extend_document(document, around))
        loaded = load(text, self._order.data_dir)
        replace_text(self._config, text)
        self._config.chmod(0o600)
        return loaded.settings, loaded.key_file

    def _rewrite_configuration(self) -> None:
        """The user's file changed: the parts follow theirs."""
        try:
            self._settings, self._key_file = self._write_configuration()
        except Exception as error:  # noqa: BLE001  whatever is wrong with it, the mesh runs on as it was
            self._board.say(f"the configuration is not used: {error}")

    def _write_places(self, parts: Sequence[MeshPart]) -> None:
        for name, path in self._lists.items():
            addresses = [part.address for part in parts if part.service == name]
            replace_text(path, "".join(f"{address}\n" for address in addresses))
        self._files.write_clusters(list_clusters(parts))

    def _note_parts(self, parts: Sequence[MeshPart]) -> None:
        self._write_places(parts)
        data_dir = self._order.data_dir
        write_mesh_file(data_dir, self._describe(find_mesh(data_dir).version))

    # Orders.

    async def _restart(self, name: str) -> None:
        """One part, or all of a service, one after the other."""
        meant = [part for part in self._fleet.parts if name in (part.name, part.service)]
        if not meant:
            raise LaunchError(f"there is no part {name}; there are {', '.join(map(str, self._fleet.parts))}")
        for part in meant:
            await self._fleet.restart(part)
            await self._wait_until_ready([part])

    async def _scale(self, service: str, replicas: int) -> None:
        alone = count_replicas(self._settings, 1, 2).replicas
        if replicas > 1 and service != "edge" and alone[service] == 1:
            raise LaunchError(f"there can be one {service} only: its store is shared by none")
        await self._fleet.scale(service, replicas)
        await self._wait_until_ready([part for part in self._fleet.parts if part.service == service])

    async def _wait_until_ready(self, parts: Sequence[MeshPart]) -> None:
        try:
            async with asyncio.timeout(UP):
                while not all([(await self._readiness.status(part)).is_ready for part in parts]):
                    await asyncio.sleep(PAUSE)
        except TimeoutError as error:
            raise LaunchError(f"not ready within {UP:g} s: {', '.join(map(str, parts))}") from error

    async def _show(self) -> list[dict[str, object]]:
        parts = self._fleet.parts
        statuses = await asyncio.gather(*map(self._readiness.status, parts))
        return [
            {
                "name": part.name,
                "service": part.service,
                "ready": status.is_ready,
                "pid": self._fleet.pid(part),
                "ports": dict(part.ports),
                "trouble": status.trouble,
            }
            for part, status in zip(parts, statuses, strict=True)
        ]

    # Starting and stopping.

    async def _start_stores(self, children: Sequence[Child], stack: AsyncExitStack) -> None:
        for store, child in zip(self._stores, children, strict=True):
            stack.push_async_callback(child.stop, MARGIN)
            child.start()
            await _wait_for_port(store)

    async def _stop_envoy(self, envoy: Child) -> None:
        """No new connections, then the end once nobody waits for an answer, at most for as long as an edge would wait."""
        base = f"http://{LOOPBACK}:{self._ports.admin}"
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
                await _drain_envoy(session, base, self._settings.edge.drain.grace)
        except (aiohttp.ClientError, TimeoutError):
            pass  # one that does not answer is not waited for
        await envoy.stop(MARGIN)

    async def _announce_and_wait(self) -> None:
        announcing = asyncio.create_task(self._announce(), name="announce the mesh")
        waiting = asyncio.create_task(self._ending.wait(), name="wait for the end")
        try:
            await asyncio.wait((announcing, waiting), return_when=asyncio.FIRST_COMPLETED)
            if announcing.done():
                announcing.result()
            await waiting
        finally:
            for task in (announcing, waiting):
                task.cancel()
            await asyncio.wait((announcing, waiting))

    async def _announce(self) -> None:
        async def look() -> list[PartStatus]:
            statuses = await self._readiness.statuses(self._fleet.parts, self._ports.admin)
            versions.update(status.version for status in statuses if status.version)
            return statuses

        versions: set[str] = set()
        await self._board.wait_until_ready(look)
        mesh = self._describe(min(versions, default=""))
        write_mesh_file(self._order.data_dir, mesh)
        for line in (*self._notices, *describe(mesh, self._ports, self._authority, self._key_file)):
            self._board.say(line)

    def _describe(self, version: str) -> MeshFile:
        parts = self._fleet.parts
        edge = next(part for part in parts if part.service == "edge")
        return MeshFile(
            pid=os.getpid(),
            version=version,
            control=f"unix:{self._run_dir / SOCKET}",
            http=HttpAddress(LOOPBACK, self._ports.plain),
            https=HttpAddress("localhost", self._ports.tls, "https"),
            authority=str(self._authority.absolute()),
            envoy=HttpAddress(LOOPBACK, self._ports.admin),
            admin=HttpAddress(LOOPBACK, edge.ports["admin"]),
            grpc=HttpAddress(LOOPBACK, self._ports.grpc),
            services=list_addresses(parts),
            started_at=time.time(),
            config=str(self._config.absolute()),
            model=model_to_try(self._settings),
        )


def has_domains(settings: Settings) -> bool:
    """Whether ratelimit-svc was told of anything that Envoy could ask it about."""
    return bool(getattr(settings.ratelimit, "domains", ()))


def kill_all(fleet: Fleet, *children: Child) -> None:
    """Ends everything now."""
    fleet.kill()
    for child in children:
        child.kill()


def describe(mesh: MeshFile, ports: EnvoyPorts, authority: Path, key_file: Path | None) -> list[str]:
    """Where the mesh listens, and a call to paste."""
    assert mesh.https is not None, "a mesh behind Envoy has TLS"
    key = f'open("{key_file}").read()' if key_file else 'os.environ["RUNESTONE_API_KEY"]'
    call = write_curl(mesh.https, mesh.model, key_file)
    return [
        f"Envoy listens on {mesh.https.url} (HTTP/1.1, HTTP/2, WebSockets), and without TLS on {mesh.http.url}",
        f"gRPC of the services and of the edges' door: {LOOPBACK}:{ports.grpc}; Envoy's own port: {LOOPBACK}:{ports.admin}",
        "try it:",
        f"  curl --cacert {authority}{call.removeprefix('curl')}",
        f"  SSL_CERT_FILE={authority} python: OpenAI(base_url={mesh.https.url + '/v1'!r}, api_key={key})",
    ]


def _settle_ports(wanted: EnvoyPorts, free: Iterator[int]) -> EnvoyPorts:
    return EnvoyPorts(
        tls=settle_port(wanted.tls, free, "Envoy, with TLS"),
        plain=settle_port(wanted.plain, free, "Envoy, without TLS"),
        grpc=settle_port(wanted.grpc, free, "Envoy, for gRPC"),
        admin=settle_port(wanted.admin, free, "Envoy's own port"),
    )


async def _wait_for_port(store: Store) -> None:
    try:
        async with asyncio.timeout(UP):
            while True:
                try:
                    _, writer = await asyncio.open_connection(LOOPBACK, store.port)
                except OSError:
                    await asyncio.sleep(PAUSE)
                else:
                    writer.close()
                    return
    except TimeoutError as error:
        raise LaunchError(f"{store.command.name} is not up within {UP:g} s") from error


async def _drain_envoy(session: aiohttp.ClientSession, base: str, grace: float) -> None:
    async with session.post(f"{base}/drain_listeners?skip_exit&graceful") as answer:
        answer.raise_for_status()
    try:
        async with asyncio.timeout(grace):
            while await _running(session, base):
                await asyncio.sleep(PAUSE)
    except TimeoutError:
        return


async def _running(session: aiohttp.ClientSession, base: str) -> int:
    """Calls that Envoy has not answered yet."""
    async with session.get(f"{base}/stats?filter=^http\\.(tls|plain|grpc)\\.downstream_rq_active$") as answer:
        lines = (await answer.text()).splitlines()
    return sum(int(line.rpartition(":")[2]) for line in lines if ":" in line)
