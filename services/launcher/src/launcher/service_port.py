"""The operators' port of a service that runs on its own: its health and its metrics over HTTP, and nothing that changes it."""

from collections.abc import Callable
from typing import Self

from aiohttp import web

from chassis.health import Facts
from chassis.metrics import Metrics
from launcher.errors import LaunchError
from launcher.scraping import answer_metrics

LAST_ANSWERS = 1.0  # seconds that answers on their way have when the port closes


class ServicePort:
    """Serves `/health/liveness`, `/health/readiness` and `/metrics` at `address` (host:port) while its context is open. Entering raises
    LaunchError when the port is taken. `port` is known once entered; `own` are those of who follows the configuration."""

    def __init__(
        self,
        service: str,
        address: str,
        facts: Facts,
        metrics: Metrics,
        own: Metrics,
        *,
        version: Callable[[], str],
    ) -> None:
        self._service = service
        host, _, port = address.rpartition(":")
        self._host, self.port = host.strip("[]"), int(port)
        self._facts = facts
        self._metrics = metrics
        self._own = own
        self._version = version
        self._runner = web.AppRunner(self._make_app(), access_log=None, shutdown_timeout=LAST_ANSWERS)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self.port).start()
        except OSError as error:
            await self._runner.cleanup()
            where = f"{self._host}:{self.port} (mesh.{self._service}.admin)"
            raise LaunchError(f"cannot listen on {where}: {error.strerror or error}") from error
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()

    def _make_app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/health/liveness", self._show_liveness)
        app.router.add_get("/health/readiness", self._show_readiness)
        app.router.add_get("/metrics", self._show_metrics)
        return app

    async def _show_liveness(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _show_readiness(self, _request: web.Request) -> web.Response:
        is_ready = self._facts.is_ready
        body = {
            "status": "ready" if is_ready else "not ready",
            "version": self._version(),
            "facts": {fact.name: {"holds": fact.holds, "detail": fact.detail} for fact in self._facts},
        }
        return web.json_response(body, status=200 if is_ready else 503)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        named = ((self._service, self._metrics), ("launcher", self._own))
        return await answer_metrics(request, [(name, metrics.open_exposition()) for name, metrics in named])
