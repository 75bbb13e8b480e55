"""What a running mesh can be told: a small HTTP API on a socket that its owner alone can open."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

import msgspec
from aiohttp import web

from launcher.errors import LaunchError
from launcher.mesh.parts import SERVICES

SOCKET = "control.sock"
MOST = 32  # replicas of one service


class Orders(msgspec.Struct, frozen=True):
    """How many replicas are wanted."""

    replicas: int


class Desk:
    """Takes orders while its context is open: `POST /parts/<name>/restart`, `PUT /services/<name>` and `GET /parts`.

    Each is answered when it is carried out: a restarted part is ready again, further replicas are.
    """

    def __init__(
        self,
        socket: Path,
        *,
        restart: Callable[[str], Awaitable[None]],
        scale: Callable[[str, int], Awaitable[None]],
        show: Callable[[], Awaitable[list[dict[str, object]]]],
    ) -> None:
        self._socket = socket
        self._restart = restart
        self._scale = scale
        self._show = show
        self._runner = web.AppRunner(self._make_app(), access_log=None, shutdown_timeout=1.0)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self._socket)).start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()

    def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[_tell_errors])
        app.router.add_post("/parts/{name}/restart", self._on_restart)
        app.router.add_put("/services/{name}", self._on_scale)
        app.router.add_get("/parts", self._on_show)
        return app

    async def _on_restart(self, request: web.Request) -> web.Response:
        await self._restart(request.match_info["name"])
        return await self._on_show(request)

    async def _on_scale(self, request: web.Request) -> web.Response:
        service = request.match_info["name"]
        if service not in SERVICES:
            raise LaunchError(f"there is no service {service}; there are {', '.join(SERVICES)}")
        try:
            wanted = msgspec.json.decode(await request.read(), type=Orders).replicas
        except msgspec.DecodeError as error:
            raise LaunchError(f"cannot read how many: {error}") from error
        if not 1 <= wanted <= MOST:
            raise LaunchError(f"there may be 1 to {MOST} replicas of {service}")
        await self._scale(service, wanted)
        return await self._on_show(request)

    async def _on_show(self, _request: web.Request) -> web.Response:
        return web.json_response({"parts": await self._show()})


@web.middleware
async def _tell_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except LaunchError as error:
        return web.json_response({"error": str(error)}, status=400)
