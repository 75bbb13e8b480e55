"""`/admin`: what operators may do over HTTP, with the admin key. What is not named here is refused, with and without it."""

import hmac
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from chassis.config.document import spell
from chassis.keys import hash_key
from chassis.reload.outcome import Outcome, ReloadError
from chassis.reload.reloader import Reloader
from chassis.snapshots import Snapshot

PREFIX = "/admin"
BEARER = "bearer"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Of each way in which a reload fails, the status: the file's fault, in the way of what runs, or late.
STATUSES = {
    Outcome.INVALID: 400,
    Outcome.REFUSED: 400,
    Outcome.RESTART_NEEDED: 409,
    Outcome.INCOMPLETE: 504,
}


class AdminApi:
    """The routes. `version` gives the snapshot's that is in force; without a `reloader` another process reloads."""

    def __init__(self, reloader: Reloader | None, version: Callable[[], str]) -> None:
        self._reloader = reloader
        self._version = version

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Adds them."""
        if self._reloader is not None:
            router.add_post("/admin/v1/reload", self._reload)

    async def _reload(self, _request: web.Request) -> web.Response:
        assert self._reloader is not None, "the route is there only with one"
        try:
            reloaded = await self._reloader.reload("admin")
        except ReloadError as error:
            failed = {"error": describe_failure(error), "version": self._version()}
            return web.json_response(failed, status=STATUSES[error.outcome])
        done = {"version": reloaded.version, "changed": reloaded.is_changed, "parts": dict(reloaded.parts)}
        return web.json_response(done)


class AdminKey:
    """A middleware of the port: everything under `/admin` needs the admin key of the snapshot in force, also what is not
    there. 401 without a key, 403 with another one."""

    __middleware_version__ = 1  # aiohttp's mark of a new-style middleware

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets a request through or refuses it."""
        path = request.path
        if path != PREFIX and not path.startswith(f"{PREFIX}/"):
            return await handler(request)
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != BEARER or not key.strip():
            return refuse(401, "authentication_error", "send the admin key as `Authorization: Bearer`")
        if not self._is_admin(key.strip()):
            return refuse(403, "permission_error", "this is not the admin key")
        return await handler(request)

    def _is_admin(self, key: str) -> bool:
        edge = self._snapshot().settings.edge
        if edge.admin.key_hash is None or not key.isascii():
            return False
        pepper = edge.key_pepper.reveal() if edge.key_pepper else None
        return hmac.compare_digest(hash_key(key, pepper), edge.admin.key_hash)


def refuse(status: int, kind: str, message: str) -> web.Response:
    """An error document."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return web.json_response({"error": {"message": message, "type": kind}}, status=status, headers=headers)


def respond(done: Mapping[str, object], failures: Mapping[str, str]) -> web.Response:
    """What was done; 503 where a replica could not be asked, which has to be asked again."""
    if not failures:
        return web.json_response(dict(done))
    message = f"{', '.join(failures)} could not be asked: ask again"
    error = {"type": "unavailable", "message": message, "parts": dict(failures)}
    return web.json_response({**done, "error": error}, status=503)


def describe_failure(error: ReloadError) -> dict[str, object]:
    """What an operator is told: everything that is wrong with the file, and what each part has to say."""
    problems = [
        {"file": problem.file or None, "line": problem.line, "path": spell(problem.path), "message": problem.message}
        for problem in error.problems
    ]
    return {"type": error.outcome, "message": error.message, "problems": problems, "parts": dict(error.parts)}
