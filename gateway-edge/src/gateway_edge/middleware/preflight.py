"""`OPTIONS` of a browser that asks whether its page may call."""

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.door.cors import Cors, preflight_headers
from gateway_edge.middleware.base import Proceed


class Preflight:
    """Answers pages of the origins that may call; refuses those of others with 403, and with 404 what is no such question. Needs no
    key: a browser sends none with it."""

    name = "preflight"

    def __init__(self, cors: Cors) -> None:
        self._cors = cors

    async def __call__(self, call: Call, proceed: Proceed) -> None:  # noqa: ARG002  the last of its pipeline
        """Sends an empty answer; the door has added what each answer says to this origin."""
        headers = call.arrival.headers
        origin = headers.get("origin")
        if origin is None or "access-control-request-method" not in headers:
            raise RunestoneError(Reason.ROUTE_NOT_FOUND, f"unknown request URL or method: {call.arrival.endpoint}")
        if not self._cors.allows(origin):
            raise RunestoneError(
                Reason.PERMISSION_DENIED, "pages of this origin may not call", code="origin_not_allowed"
            )
        call.reply.headers.update(preflight_headers(headers.get("access-control-request-headers")))
        await call.reply.send(b"", "text/plain")
