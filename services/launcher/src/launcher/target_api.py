"""`/admin/v1/targets`: how targets, keys and connections are, over HTTP. Who asks has shown the admin key."""

from aiohttp import web

from launcher.admin_api import respond
from launcher.target_desk import TargetDesk
from launcher.target_report import describe_targets


class TargetApi:
    """The route."""

    def __init__(self, desk: TargetDesk) -> None:
        self._desk = desk

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Adds it."""
        router.add_get("/admin/v1/targets", self._show)

    async def _show(self, _request: web.Request) -> web.Response:
        """What the replicas say that answer; 503 where none does."""
        asked = await self._desk.list_targets()
        return web.json_response(describe_targets(asked)) if asked.answers else respond({}, asked.failures)
