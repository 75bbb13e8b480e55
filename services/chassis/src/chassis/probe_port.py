"""`mesh.<service>.probe`: `grpc.health.v1.Health/Check` in the clear, and nothing else, for kubelets and container health checks, which have
no certificate."""

from typing import Any, Self

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

MAX_MESSAGE = 4096  # bytes; a check is the name of a service


class _Checks(health_pb2_grpc.HealthServicer):
    """Answers at once and keeps nothing. Nobody has to say who he is here: a Watch, which lasts, could be held by the thousand."""

    def __init__(self, health: health_aio.HealthServicer) -> None:
        self._health = health

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> health_pb2.HealthCheckResponse:  # noqa: N802  the rpc's name
        """As on the main port."""
        return await self._health.Check(request, context)


class ProbePort:
    """Listens while its context is open. It tells what `health` tells on the main port, at the same moment."""

    def __init__(self, health: health_aio.HealthServicer, address: str) -> None:
        self.port = 0
        self._address = address
        self._server = grpc.aio.server(
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_MESSAGE)]
        )
        health_pb2_grpc.add_HealthServicer_to_server(_Checks(health), self._server)

    async def __aenter__(self) -> Self:
        """Raises OSError when the address cannot be had."""
        try:
            self.port = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._address} (probe): gRPC's line above says why") from error
        await self._server.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._server.stop(None)

    def __repr__(self) -> str:
        return f"ProbePort({self._address})"
