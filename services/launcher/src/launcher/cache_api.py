"""`/admin/v1/cache`: the cache's statistics, and forgetting, over HTTP. Who asks has shown the admin key."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from chassis.errors import RunestoneError
from chassis.logs import Logger
from launcher.admin_api import refuse, respond
from launcher.cache_desk import CacheDesk
from launcher.cache_orders import describe_selection, read_purge, read_shred
from launcher.cache_report import describe_cache

Handler = Callable[[web.Request], Awaitable[web.Response]]


class CacheApi:
    """The routes. What was forgotten, and for whom, is logged."""

    def __init__(self, desk: CacheDesk, log: Logger) -> None:
        self._desk = desk
        self._log = log

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Adds them."""
        router.add_get("/admin/v1/cache", self._show)
        router.add_post("/admin/v1/cache/purge", saying_what_is_wrong(self._purge))
        router.add_post("/admin/v1/cache/shred", saying_what_is_wrong(self._shred))

    async def _show(self, _request: web.Request) -> web.Response:
        asked = await self._desk.take_stock()
        return web.json_response(describe_cache(asked)) if asked.answers else respond({}, asked.failures)

    async def _purge(self, request: web.Request) -> web.Response:
        selection = read_purge(await request.read())
        asked = await self._desk.purge(selection)
        done = {"purged": sum(answer.purged for answer in asked.answers.values())}
        self._log.info("cache purged", selection=describe_selection(selection), failures=dict(asked.failures), **done)
        return respond(done, asked.failures)

    async def _shred(self, request: web.Request) -> web.Response:
        tenant = read_shred(await request.read())
        asked = await self._desk.shred(tenant)
        answers = asked.answers.values()
        done = {
            "purged": sum(answer.purged for answer in answers),
            "key_destroyed": any(answer.key_destroyed for answer in answers),
        }
        self._log.info("cache shredded", tenant=tenant, failures=dict(asked.failures), **done)
        return respond(done, asked.failures)


def saying_what_is_wrong(handler: Handler) -> Handler:
    """A handler whose refusal of its input reaches who sent it."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge as error:
            return refuse(413, "invalid_request", error.text or error.reason)
        except RunestoneError as error:
            return refuse(400, "invalid_request", error.message)

    return handle
