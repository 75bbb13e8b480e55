"""The operators' port: health and metrics of the whole mesh, the description of its API, and what the admin key may do. Never
public."""

from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import web

from chassis.config.schema import AdminDoor as AdminSettings
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.reload.reloader import Reloader
from chassis.snapshots import Snapshot
from launcher.admin_api import AdminApi, AdminKey
from launcher.api_description import add_description
from launcher.cache_api import CacheApi
from launcher.cache_desk import CacheDesk
from launcher.errors import LaunchError
from launcher.inspection import Inspector, PartStatus
from launcher.merge import LastWords
from launcher.meshfile import HttpAddress
from launcher.scraping import answer_metrics
from launcher.target_api import TargetApi
from launcher.target_desk import TargetDesk

LAST_ANSWERS = 1.0  # seconds that answers on their way have when the port closes


class AdminPort:
    """Serves `/health/*`, `/metrics`, `/docs` and `/openapi.json` to everybody, and `/admin` to who has the admin key, while its
    context is open. Every answer comes within the inspector's patience, that to a reload within the reloader's, what concerns the
    cache or targets within the desk's.

    `snapshot` gives the one in force; `metrics` are the launcher's own. Entering raises LaunchError when the port
    is taken. `address` is where it listens, known once entered.
    """

    def __init__(
        self,
        settings: AdminSettings,
        inspector: Inspector,
        reloader: Reloader | None,
        cache: CacheDesk,
        targets: TargetDesk,
        *,
        snapshot: Callable[[], Snapshot],
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._inspector = inspector
        self._snapshot = snapshot
        self._api = AdminApi(reloader, lambda: snapshot().version)
        self._cache = CacheApi(cache, get_logger("launcher"))
        self._targets = TargetApi(targets)
        self._metrics = metrics
        self._answering = metrics.gauge("part_answers", "Whether the part gave its metrics when last asked", ("part",))
        self._last_words = LastWords()
        self._runner = web.AppRunner(self._make_app(), access_log=None, shutdown_timeout=LAST_ANSWERS)
        self.address = HttpAddress(settings.host, settings.port)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._settings.host, self._settings.port).start()
        except OSError as error:
            await self._runner.cleanup()
            where = f"{self._settings.host}:{self._settings.port}"
            raise LaunchError(f"cannot listen on {where} (edge.admin): {error.strerror or error}") from error
        self.address = HttpAddress(self._settings.host, int(self._runner.addresses[0][1]))
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()

    def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[AdminKey(self._snapshot), answer_in_json])
        self._api.add_to(app.router)
        self._cache.add_to(app.router)
        self._targets.add_to(app.router)
        app.router.add_get("/health/liveness", self._show_liveness)
        app.router.add_get("/health/liveliness", self._show_liveness)
        app.router.add_get("/health/readiness", self._show_readiness)
        app.router.add_get("/metrics", self._show_metrics)
        add_description(app.router)
        return app

    async def _show_liveness(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _show_readiness(self, _request: web.Request) -> web.Response:
        statuses = await self._inspector.statuses()
        is_ready = all(status.is_ready for status in statuses)
        body = {
            "status": "ready" if is_ready else "not ready",
            "version": self._snapshot().version,
            "parts": {status.name: describe_part(status) for status in statuses},
        }
        return web.json_response(body, status=200 if is_ready else 503)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        for part, counted in await self._inspector.metrics():
            self._answering.labels(part.name).set(counted is not None)
            if counted is not None:
                self._last_words.note(part.name, part.node.name, counted.process_id, counted.exposition)
        expositions = [*self._last_words.list_expositions(), ("launcher", self._metrics.open_exposition())]
        return await answer_metrics(request, expositions)


def describe_part(status: PartStatus) -> dict[str, object]:
    """One part of the readiness answer."""
    facts = {fact.name: {"holds": fact.holds, "detail": fact.detail} for fact in status.facts}
    described: dict[str, object] = {
        "ready": status.is_ready,
        "pid": status.pid,
        "version": status.version,
        "facts": facts,
    }
    return {**described, "error": status.error} if status.error else described


@web.middleware
async def answer_in_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Whatever is not one of the pages is a 404 whose body is JSON."""
    try:
        return await handler(request)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        error = {"message": f"there is no {request.method} {request.path} on the admin port", "type": "not_found"}
        return web.json_response({"error": error}, status=404)
