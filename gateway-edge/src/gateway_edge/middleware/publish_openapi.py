"""`GET /openapi.json`: what the edge takes and answers, for everybody."""

from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed


class PublishOpenApi:
    """Answers with the document that requests are checked against."""

    name = "openapi"

    def __init__(self, document: bytes) -> None:
        self._document = document

    async def __call__(self, call: Call, proceed: Proceed) -> None:  # noqa: ARG002  the last of its pipeline
        """Sends it."""
        await call.reply.send(self._document)
