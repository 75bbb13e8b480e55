"""The gRPC server of the door: its port, health and reflection, and stopping without cutting a call."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from chassis.config.schema import Settings, Tls
from chassis.health import Facts
from chassis.logs import get_logger
from chassis.server import NOT_SERVING, SERVING, server_options
from gateway_edge.grpc_door.credentials import open_credentials
from runestone.gateway.v1 import gateway_pb2, gateway_pb2_grpc

SERVICE = gateway_pb2.DESCRIPTOR.services_by_name["GatewayService"].full_name
ENVELOPE = 64 << 10  # bytes of a message beside the body that it carries: headers, mostly
LAST_WORDS = 3.0  # seconds behind the grace, for callers to be told that their calls were ended

Spawn = Callable[[Coroutine[Any, Any, None], str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where it listens, as one of several processes that share the port; with which certificate; the largest body in bytes, the longest
    call in seconds, and how long balancers need to notice that it stops."""

    host: str
    port: int
    tls: Tls | None
    max_body: int
    call_timeout: float
    drain_delay: float

    @classmethod
    def of(cls, settings: Settings, port: int) -> "ServerSettings":
        """Read from the first snapshot: what it listens on does not change at run time."""
        edge = settings.edge
        return cls(
            host=edge.grpc.host,
            port=port,
            tls=edge.grpc.tls,
            max_body=edge.http.max_body,
            call_timeout=edge.call_timeout,
            drain_delay=edge.drain.delay,
        )


class GrpcServer:
    """Serves `servicer` inside `async with`; `drain` first, to stop without cutting a call. Its health is that of `facts`."""

    def __init__(
        self, servicer: gateway_pb2_grpc.GatewayServiceServicer, settings: ServerSettings, facts: Facts, spawn: Spawn
    ) -> None:
        self.port = settings.port
        self._settings = settings
        self._facts = facts
        self._spawn = spawn
        self._is_draining = False
        self._credentials: grpc.ServerCredentials | None = None  # gRPC calls back into them as long as the server lives
        self._health = health_aio.HealthServicer()
        self._server = grpc.aio.server(options=write_options(settings))
        gateway_pb2_grpc.add_GatewayServiceServicer_to_server(servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        reflection.enable_server_reflection((SERVICE, health, reflection.SERVICE_NAME), self._server)

    async def __aenter__(self) -> Self:
        await self._publish_health()
        self.port = self._listen()
        await self._server.start()
        self._facts.watch(lambda: self._spawn(self._publish_health(), "health of the gRPC door"))
        return self

    async def drain(self, grace: float) -> None:
        """NOT_SERVING at once; when balancers have noticed, no new calls; running ones have up to `grace` seconds, and a moment more to be
        told that they were ended."""
        self._is_draining = True
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._settings.drain_delay)
        await self._server.stop(grace + LAST_WORDS)

    async def __aexit__(self, *exception: object) -> None:
        await self._server.stop(None)

    def _listen(self) -> int:
        """Raises OSError when the address or the certificate cannot be had."""
        settings = self._settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"{host}:{settings.port}"
        try:
            if settings.tls is None:
                return self._server.add_insecure_port(address)
            self._credentials = open_credentials(settings.tls, get_logger("edge"))
            return self._server.add_secure_port(address, self._credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address} (edge.grpc): gRPC's line above says why") from error

    async def _publish_health(self) -> None:
        if not self._is_draining:
            status = SERVING if self._facts.is_ready else NOT_SERVING
            for name in ("", SERVICE):
                await self._health.set(name, status)

    def __repr__(self) -> str:
        return f"GrpcServer({self._settings.host}:{self.port})"


def write_options(settings: ServerSettings) -> list[tuple[str, int]]:
    """The mesh's own, but for a port that all workers share, messages as large as bodies may be, an age that outlives the longest call,
    and pings that find out which callers are gone."""
    own = {
        "grpc.so_reuseport": 1,
        "grpc.max_receive_message_length": settings.max_body + ENVELOPE,
        "grpc.max_send_message_length": -1,
        "grpc.max_connection_age_grace_ms": int((settings.call_timeout + LAST_WORDS) * 1000),
        "grpc.keepalive_time_ms": 30_000,
        "grpc.keepalive_timeout_ms": 10_000,
    }
    return list((dict(server_options()) | own).items())
