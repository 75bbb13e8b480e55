"""What is asked: the body read once, bounded; decoded once; checked; its model resolved to a route."""

from chassis.config import Catalog
from gateway_edge.call import Call, Question
from gateway_edge.middleware.base import Proceed
from gateway_edge.openapi.fault import check
from gateway_edge.openapi.shape import Shape
from gateway_edge.question.body import read_as
from gateway_edge.question.chat import ChatRequest
from gateway_edge.question.routing import require_route


class Validate:
    """Turns the body into a question, or refuses with 400, 404, 408 or 413. `shape` is what the OpenAPI document says of it."""

    name = "validate"

    def __init__(self, catalog: Catalog, shape: Shape) -> None:
        self._catalog = catalog
        self._shape = shape

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Sets `call.question`."""
        await self.ask(call)
        await proceed(call)

    async def ask(self, call: Call) -> None:
        """Sets `call.question` by what the call's document says now."""
        document = await call.read_document()
        check(document, self._shape)
        chat = read_as(document, ChatRequest)
        route = require_route(self._catalog, call.principal, chat.model)
        call.question = Question(call.body or b"", document, chat, route)
