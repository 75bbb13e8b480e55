"""A service on a TCP port with a certificate, and callers with others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import msgspec

from chassis.client import Channel, Link
from chassis.config import Settings
from chassis.config.schema import Mesh, MeshCaller, MeshTls
from chassis.dialing import Dial
from chassis.logs import get_logger
from chassis.mesh_security.mutual_tls import MutualTls
from chassis.metrics import Metrics
from chassis.mux.link import MuxLink
from chassis.plain import PlainLink
from chassis.runtime import Place, Runtime, Service, start_service
from chassis.server import MAX_MESSAGE
from chassis.snapshots import Snapshot, SnapshotFeed, snapshot_version
from chassis.testing import free_port
from chassis.tracing import Tracing
from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

UNARY, STREAM, HANG = "/test.Acts/Unary", "/test.Acts/Stream", "/test.Acts/Hang"
PATIENCE = 10.0
EDGE_MAY_ACT = [MeshCaller(name="edge", may=["/test.Acts/*"])]
LINKS: dict[str, Callable[[str, Dial], Link]] = {
    "plain": PlainLink,
    "session": lambda address, dial: MuxLink(address, MAX_MESSAGE, dial=dial),
}


async def echo(request: bytes, context: Any) -> bytes:
    return request


async def count(request: bytes, context: Any) -> AsyncIterator[bytes]:
    for number in range(3):
        yield b"%d" % number


async def hang(request: bytes, context: Any) -> bytes:
    await asyncio.Event().wait()
    return request


def add_acts(_servicer: object, server: Any) -> None:
    """As a generated `add_..._to_server` does."""
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(echo, bytes, bytes),
        "Stream": grpc.unary_stream_rpc_method_handler(count, bytes, bytes),
        "Hang": grpc.unary_unary_rpc_method_handler(hang, bytes, bytes),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Acts", handlers),))
    server.add_registered_method_handlers("test.Acts", handlers)


async def build(runtime: Runtime) -> None:
    runtime.serve(add_acts, object(), "test.Acts")


def mesh_settings(tls: MeshTls | None, callers: list[MeshCaller] | None = None, **sections: Any) -> Settings:
    return Settings(mesh=msgspec.convert({}, Mesh) if tls is None else Mesh(tls=tls, callers=callers or [], **sections))


@asynccontextmanager
async def serving(
    settings: Settings, directory: Path, *, listen: str = "", name: str = "cache"
) -> AsyncIterator[tuple[Runtime, str]]:
    """The service and its address."""
    address = listen or f"127.0.0.1:{free_port()}"
    feed = SnapshotFeed(Snapshot(snapshot_version(settings), settings))
    runtime = await start_service(Service(name, build), Place(listen=address, data_dir=directory), feed)
    try:
        yield runtime, address
    finally:
        await runtime.stop(0)


def dial_as(tls: MeshTls, caller: str, callee: str = "cache") -> Dial:
    """How `caller` opens channels to `callee`."""
    return MutualTls(caller, tls, list, metrics=Metrics(), log=get_logger(caller)).dial(callee)


@asynccontextmanager
async def linked(kind: str, address: str, dial: Dial) -> AsyncIterator[Link]:
    link = LINKS[kind](address, dial)
    try:
        yield link
    finally:
        await link.close()


async def ask_status(address: str, link: Link) -> str:
    """The name of the service that answers. Raises RunestoneError."""
    channel = Channel(address, tracing=Tracing("test"), timeout=PATIENCE, link=link)
    return (await IntrospectionServiceStub(channel).GetStatus(GetStatusRequest())).service
