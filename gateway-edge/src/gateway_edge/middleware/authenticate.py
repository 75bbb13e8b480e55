"""Whether the caller is somebody who may call at all."""

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed


class Authenticate:
    """Refuses who is nobody with 401, and with `admin` who is no administrator with 403."""

    name = "authenticate"

    def __init__(self, *, admin: bool = False) -> None:
        self._admin = admin

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Lets the caller through or raises AUTHENTICATION_FAILED, PERMISSION_DENIED."""
        principal = call.principal
        if principal is None or principal.is_anonymous:
            raise RunestoneError(
                Reason.AUTHENTICATION_FAILED,
                "you did not provide an API key; send it as `Authorization: Bearer <key>`",
            )
        if self._admin and not principal.is_admin:
            raise RunestoneError(Reason.PERMISSION_DENIED, "this takes the admin key")
        await proceed(call)
