"""What a service is given to stand on, and how it is started and stopped.

A service is a value: a name and a `build(runtime)`. `Runtime` opens what `build` asks for, serves, and stops in the right
order: not ready first, then no new calls, then running ones, then what was opened, in reverse, then telemetry.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis.client import Channel, Link
from chassis.clock import Clock, SystemClock
from chassis.config.schema import Peer
from chassis.health import Facts
from chassis.introspection import IntrospectionServicer
from chassis.link_metrics import observe_links
from chassis.logs import get_logger
from chassis.loop_lag import LoopLag
from chassis.members import Members
from chassis.mesh_security.security import open_security
from chassis.metrics import Metrics
from chassis.replicas import open_link
from chassis.server import MAX_MESSAGE, AddServicer, Server
from chassis.snapshots import SnapshotFeed
from chassis.tracing import Tracing
from runestone.introspection.v1 import introspection_pb2, introspection_pb2_grpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a service runs: where its gRPC server listens, where its peers are, where it may write; listening `sockets` that it inherits,
    and `ports` that are kept for it to listen on."""

    listen: str
    data_dir: Path
    peers: dict[str, str] = field(default_factory=dict)
    worker: int = 0
    sockets: dict[str, int] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)


class Runtime:
    """One running service. `build` reads the public attributes and calls `serve`, `connect`, `connect_each`, `open` and `spawn`.
    Raises ConfigError for certificates that cannot be used."""

    def __init__(self, service: str, place: Place, snapshots: SnapshotFeed, *, clock: Clock | None = None) -> None:
        self.service = service
        self.place = place
        self.snapshots = snapshots
        self.settings = snapshots.current.settings
        self.clock = clock or SystemClock()
        self.log = get_logger(service)
        self.metrics = Metrics()
        self.facts = Facts()
        self.facts.declare("listening")
        telemetry = self.settings.telemetry
        self.tracing = Tracing(
            service,
            otlp_endpoint=telemetry.otlp_endpoint,
            sample_ratio=telemetry.sample_ratio,
            naming=telemetry.semantic_conventions,
            metrics=self.metrics,
        )
        self.security = open_security(
            service,
            self.settings.mesh,
            metrics=self.metrics,
            log=self.log,
            callers=lambda: snapshots.current.settings.mesh.callers,
        )
        self._hops = self.metrics.histogram(
            "rpc_client_seconds", "Time until an rpc's end, as its caller sees it", ("peer", "method", "code")
        )
        self._stack = AsyncExitStack()
        self._links: dict[str, Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = Server(
            facts=self.facts,
            tracing=self.tracing,
            metrics=self.metrics,
            log=self.log,
            clock=self.clock,
            versions=snapshots,
            bind=self.security.bind,
        )
        self._stops: list[Callable[[float], Awaitable[None]]] = []

    def serve(self, add_to_server: AddServicer, servicer: object, service_name: str) -> None:
        """Adds a servicer to the service's gRPC server."""
        self._server.add(add_to_server, servicer, service_name)

    def connect(self, peer: str, *, timeout: float = 600.0, carries_version: bool = False) -> Channel:
        """A channel to another service; `timeout` (seconds) bounds every call on it. With `carries_version` the peer serves each
        call under the snapshot that it began with. Closed when the service stops."""
        return self._channel(
            peer, self.place.peers[peer], self._link_to(peer), timeout, carries_version=carries_version
        )

    def connect_each(self, peer: str, *, timeout: float = 600.0) -> Members:
        """A channel to each replica of another service, over the connections that `connect` uses; `timeout` (seconds) bounds every
        call. For what one replica cannot say for the others. Closed when the service stops."""
        return Members(
            self.place.peers[peer],
            self._link_to(peer),
            lambda address, link: self._channel(peer, address, link, timeout),
        )

    async def open(self, resource: Any) -> Any:
        """Enters an async context manager; it is left, in reverse order, when the service stops."""
        return await self._stack.enter_async_context(resource)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Runs background work that is cancelled and awaited when the service stops. If it crashes it is logged and
        the service is no longer ready."""
        task = asyncio.create_task(work, name=f"{self.service}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._note_end)

    def on_stop(self, stop: Callable[[float], Awaitable[None]]) -> None:
        """Adds a door to close before the gRPC server: called with the grace in seconds."""
        self._stops.append(stop)

    async def start(self) -> None:
        """Listens; ready as soon as every fact holds."""
        self.serve(
            introspection_pb2_grpc.add_IntrospectionServiceServicer_to_server,
            IntrospectionServicer(self.service, self.facts, self.metrics, self.snapshots),
            introspection_pb2.DESCRIPTOR.services_by_name["IntrospectionService"].full_name,
        )
        await self.open(LoopLag(self.metrics, self.clock, asyncio.get_running_loop()))
        observe_links(self.metrics, self._links)
        await self._server.start(self.place.listen)
        peer: Peer | None = getattr(self.settings.mesh, self.service, None)
        if peer is not None and peer.probe is not None:
            await self.open(self._server.open_probe(peer.probe))
        self.facts.say("listening", holds=True)
        self.facts.watch(self._publish_soon)
        await self._server.publish_health()
        self.log.debug("listening", address=self.place.listen)

    async def stop(self, grace: float, *, delay: float = 0.0) -> None:
        """Stops in order: not ready; after `delay` seconds, in which balancers notice, no new calls; running ones have up to `grace` seconds.
        Every step is taken, even when one before it fails; then that error is raised."""
        self.facts.say("listening", holds=False, detail="stopping")
        await self._server.publish_health()
        await asyncio.sleep(delay)
        self._server.say_goodbye()
        async with AsyncExitStack() as last_to_first:
            last_to_first.push_async_callback(asyncio.to_thread, self.tracing.shutdown)
            last_to_first.push_async_callback(self._stack.aclose)
            last_to_first.push_async_callback(self._end_background_work)
            last_to_first.push_async_callback(self._server.stop, grace)
            for stop in self._stops:
                last_to_first.push_async_callback(stop, grace)
        self.log.debug("stopped")

    def _link_to(self, peer: str) -> Link:
        """The one link to a peer, however many channels are put on it."""
        link = self._links.get(peer)
        if link is None:
            link = self._links[peer] = open_link(self.place.peers[peer], MAX_MESSAGE, self.security.dial(peer))
            self._stack.push_async_callback(link.close)
        return link

    def _channel(
        self, peer: str, address: str, link: Link, timeout: float, *, carries_version: bool = False
    ) -> Channel:
        return Channel(
            address,
            tracing=self.tracing,
            timeout=timeout,
            clock=self.clock,
            link=link,
            carries_version=carries_version,
            durations=self._hops,
            peer=peer,
        )

    async def _end_background_work(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _publish_soon(self) -> None:
        self.spawn(self._server.publish_health(), "health")

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("background work crashed", task=task.get_name(), exc_info=error)
            self.facts.declare(task.get_name(), detail=f"crashed: {error}")


@dataclass(frozen=True, slots=True)
class Service:
    """A service as a value: its name, and its composition root."""

    name: str
    build: Callable[[Runtime], Awaitable[None]]


async def start_service(service: Service, place: Place, snapshots: SnapshotFeed) -> Runtime:
    """Builds and starts `service`; what was opened is closed again when building fails."""
    runtime = Runtime(service.name, place, snapshots)
    try:
        await service.build(runtime)
        await runtime.start()
    except BaseException:
        await runtime.stop(0)
        raise
    return runtime
