"""The edge's composition root: peers, spool, pipelines, door."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from chassis.config.schema import WebSocketDoor
from chassis.errors import RunestoneError
from chassis.ids import new_call_id
from chassis.runtime import Runtime, Service
from chassis.snapshots import Editions
from gateway_edge.caching.revalidation import Revalidation
from gateway_edge.callers.revocation import Revocation
from gateway_edge.channels.channel import OpenTopic
from gateway_edge.channels.door import ChannelsDoor
from gateway_edge.channels.session_topic import SessionTopics
from gateway_edge.channels.streams import Asking
from gateway_edge.containment.plugins import Plugins
from gateway_edge.door.door import Door
from gateway_edge.door.listener import Draining, HttpListener
from gateway_edge.door.metrics import EdgeMetrics
from gateway_edge.door.running import RunningCalls
from gateway_edge.door.ways import Ways, follow_ways
from gateway_edge.endpoints.stored import RESPONSES
from gateway_edge.grpc_door.door import open_grpc_door
from gateway_edge.inner.calls import InnerCalls
from gateway_edge.inner.warming import Warming
from gateway_edge.messages.calls import MessageCalls
from gateway_edge.middleware.admit import Admit
from gateway_edge.middleware.record import Record
from gateway_edge.middleware.settle import Settle
from gateway_edge.peer_replicas import PeerReplicas, follow_peer_replicas
from gateway_edge.peers import Peers, connect_peers
from gateway_edge.pipeline import Standing, lay_pipelines
from gateway_edge.protection.call_bounds import CallBounds
from gateway_edge.protection.connection_bounds import ConnectionBounds, raise_descriptor_limit
from gateway_edge.protection.memory import cgroup_limit, resident_size
from gateway_edge.question.leading import RuleFailures
from gateway_edge.realtime.application import Realtime
from gateway_edge.realtime.codes import PATH as REALTIME
from gateway_edge.repeats.repeats import Means, Repeats
from gateway_edge.responses_socket.application import open_responses
from gateway_edge.rooms.opening import open_rooms
from gateway_edge.settings import EdgeSettings
from gateway_edge.spool.shipper import Shipper
from gateway_edge.spool.spool import Spool
from gateway_edge.streams.control import Streams
from gateway_edge.streams.opening import open_streams
from gateway_edge.websocket.door import SocketDoor
from gateway_edge.websocket.place import Place, lay_places
from gateway_edge.websocket.sockets import OpenSockets
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub

Drain = Callable[[float], Awaitable[None]]

AUDIT_TIMEOUT = 10.0
SHARE_OF_LIMIT = 0.9  # of its cgroup's memory that an edge may hold; the rest is the kernel's and its neighbours'


async def build(runtime: Runtime) -> None:
    """Opens the edge: records first, so that no call is without one; the door last."""
    settings = EdgeSettings.of(runtime)
    spool = await runtime.open(Spool(settings.spool_dir, settings.worker, settings.spool_max_bytes))
    audit = AuditServiceStub(runtime.connect("audit", timeout=AUDIT_TIMEOUT))
    shipper = Shipper(spool, audit, runtime.clock, runtime.log, runtime.metrics)
    runtime.spawn(shipper.run(), "audit shipper")
    runtime.on_stop(lambda grace: shipper.drain(settings.drain_ship if grace else 0.0))

    peers = connect_peers(runtime)
    metrics = EdgeMetrics(runtime.metrics)
    running = RunningCalls(clock=runtime.clock, tracing=runtime.tracing, metrics=metrics, log=runtime.log)
    inner = InnerCalls(
        lambda: ways.current,
        running,
        clock=runtime.clock,
        new_id=new_call_id,
        tracing=runtime.tracing,
    )
    streams = open_streams(runtime, peers, running)
    standing = Standing(
        record=Record(spool, runtime.clock),
        settle=Settle(runtime.metrics),
        admit=Admit(_bound_calls(runtime), runtime.clock),
        plugins=Plugins(runtime.metrics, runtime.log),
        revalidation=Revalidation(inner, runtime.spawn),
        streams=streams,
        rule_failures=RuleFailures(runtime.metrics, runtime.log),
    )
    ways = follow_ways(runtime, lambda policy: lay_pipelines(policy, peers, standing))
    repeats = Repeats(
        Means(
            near=peers.near,
            leases=peers.leases,
            spool=spool,
            uses=peers.uses,
            metrics=metrics,
            clock=runtime.clock,
            new_id=new_call_id,
            tracing=runtime.tracing,
            log=runtime.log,
        )
    )
    door = Door(
        lambda: ways.current,
        running,
        streams.running,
        repeats,
        clock=runtime.clock,
        new_id=new_call_id,
        tracing=runtime.tracing,
    )
    sockets = OpenSockets(runtime.metrics, runtime.log)
    messages = MessageCalls(
        lambda: ways.current, running, streams.running, clock=runtime.clock, new_id=new_call_id, tracing=runtime.tracing
    )
    replicas = follow_peer_replicas(runtime)
    channels = await _open_channels(runtime, ways, messages, streams.control, running, replicas=replicas)
    places = lay_places(
        Place(
            path=RESPONSES,
            open=open_responses(messages, lambda: ways.current.policy.settings.edge),
            answers_http=True,
            is_probed=True,
        ),
        Place(
            path=REALTIME,
            open=Realtime(messages).open,
            subprotocols=("realtime",),
            is_probed=True,
            is_paced=False,
        ),
        channels.place,
    )
    socket_door = SocketDoor(places, door, lambda: ways.current, running, sockets)
    runtime.snapshots.watch(Revocation(ways, running.end_where))
    runtime.snapshots.watch(lambda _snapshot: sockets.revoke(ways.current.policy))
    bounds = ConnectionBounds(
        lambda: runtime.snapshots.current.settings.edge.protection,
        lambda: ways.current.policy.proxies,
        runtime.metrics,
        raise_descriptor_limit(),
    )
    listener = await runtime.open(HttpListener(socket_door.handle, settings.http, bounds, repeat=door.repeat))
    socket_listener = await runtime.open(HttpListener(socket_door.handle_alone, settings.websocket, bounds))
    drains: list[Drain] = [Draining([listener, socket_listener], running, sockets, delay=settings.drain_delay)]
    if runtime.settings.edge.grpc.enabled:
        drains.append((await open_grpc_door(runtime, lambda: ways.current, messages, streams.control)).drain)
    runtime.on_stop(lambda grace: _drain(drains, grace))
    if runtime.settings.cache.warm_on_startup and settings.worker == 0:
        _warm_cache(runtime, inner, peers, ways)
    runtime.log.debug("listening", port=listener.port, websocket_port=socket_listener.port, worker=settings.worker)


async def _drain(drains: Sequence[Drain], grace: float) -> None:
    """All doors at once: they share the grace."""
    await asyncio.gather(*(drain(grace) for drain in drains))


async def _open_channels(
    runtime: Runtime,
    ways: Editions[Ways],
    calls: MessageCalls,
    control: Streams,
    running: RunningCalls,
    *,
    replicas: PeerReplicas,
) -> ChannelsDoor:
    """Phoenix Channels, and what can be joined there."""

    def bounds() -> WebSocketDoor:
        return runtime.snapshots.current.settings.edge.websocket

    def end(call_id: str, error: RunestoneError) -> None:
        running.end_where(lambda call: call.id == call_id, error)

    asking = Asking(calls=calls, control=control, end=end, door=bounds, spawn=runtime.spawn, log=runtime.log)
    kinds: dict[str, OpenTopic] = {
        "session": SessionTopics(asking),
        "room": await open_rooms(runtime, ways, asking, control.gates, lambda: replicas.count("cache")),
    }
    return ChannelsDoor(kinds, bounds, clock=runtime.clock, log=runtime.log)


def _bound_calls(runtime: Runtime) -> CallBounds:
    limit = cgroup_limit()
    return CallBounds(
        lambda: runtime.snapshots.current.settings.edge.protection,
        asyncio.get_running_loop(),
        measure_memory=resident_size,
        max_memory=None if limit is None else int(limit * SHARE_OF_LIMIT / runtime.settings.edge.workers),
        facts=runtime.facts,
        metrics=runtime.metrics,
    )


def _warm_cache(runtime: Runtime, inner: InnerCalls, peers: Peers, ways: Editions[Ways]) -> None:
    """In one worker only: what is kept, all workers have. It stops asking before the doors close."""
    warming = Warming(
        runtime.settings.cache.warm,
        inner,
        lambda: ways.current.policy.authority,
        [peers.provider, runtime.connect("cache")],
        longest=runtime.settings.edge.http.max_body,
        clock=runtime.clock,
        log=runtime.log,
        outcomes=runtime.metrics.counter(
            "cache_warmed", "Questions asked at start, by what came of them", ("outcome",)
        ),
    )
    runtime.on_stop(warming.stop)
    runtime.spawn(warming.run(), "cache warming")


SERVICE = Service("edge", build)
