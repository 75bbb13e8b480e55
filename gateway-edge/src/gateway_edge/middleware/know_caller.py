"""Whether somebody is there who may open a connection that carries calls."""

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed


class KnowCaller:
    """The last of a handshake's steps: refuses who is nobody with 401. What calls on the connection may do their own pipelines say."""

    name = "know_caller"

    async def __call__(self, call: Call, proceed: Proceed) -> None:  # noqa: ARG002  the last step
        """Returns where `call.principal` is somebody. Raises AUTHENTICATION_FAILED."""
        if call.principal is None:
            raise RunestoneError(
                Reason.AUTHENTICATION_FAILED,
                "you did not provide an API key; send it as `Authorization: Bearer <key>`, or as the parameter `api_key`",
            )
