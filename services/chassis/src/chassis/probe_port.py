"""`mesh.<service>.probe`: grpc.health.v1 in the clear, and nothing else, for kubelets and container health checks, which have no
certificate."""

from typing import Self

import grpc.aio
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as health_aio


class ProbePort:
    """Listens while its context is open. It tells what `health` tells on the main port, at the same moment."""

    def __init__(self, health: health_aio.HealthServicer, address: str) -> None:
        self.port = 0
        self._address = address
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(health, self._server)

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
