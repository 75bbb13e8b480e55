"""What is asked: the body read once, bounded; decoded once; checked; its model resolved to a route, its own or where that leads."""

import msgspec

from chassis.config import Catalog
from gateway_edge.caching.controls import FIELD, NO_CONTROLS, Controls, read_field
from gateway_edge.call import Call, Question
from gateway_edge.callers.tenants import Principal
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.middleware.base import Proceed
from gateway_edge.openapi.fault import check
from gateway_edge.openapi.form_fields import read_fields
from gateway_edge.openapi.shape import request_shape
from gateway_edge.question.body import read_as
from gateway_edge.question.leading import Leading
from gateway_edge.question.routing import require_route
from gateway_edge.question.seen import SeenQuestions

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Validate:
    """Turns the body into a question, or refuses with 400, 404, 408 or 413: a body is what the OpenAPI document says of its endpoint's;
    with `is_strict` without members that the document does not know.

    A JSON body that the same caller sent before, byte for byte, is neither decoded nor checked again.
    """

    name = "validate"

    def __init__(self, catalog: Catalog, *, is_strict: bool, leading: Leading | None = None) -> None:
        self._catalog = catalog
        self._leading = leading
        self._shapes = {path: request_shape(path, is_strict=is_strict) for path in ENDPOINTS}
        self._seen = SeenQuestions()

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Sets `call.question`."""
        if call.principal is None or call.endpoint.is_form:
            await self.ask(call)
        else:
            await self._recall(call, call.principal)
        await proceed(call)

    async def _recall(self, call: Call, caller: Principal) -> None:
        body = await call.read_body()
        known = self._seen.find(caller, call.endpoint, body)
        if isinstance(known, Question):
            call.question = known
            if self._leading is not None:
                self._leading.lead(call)
            return
        await self.ask(call)
        if call.body is body:
            self._seen.note(caller, call.asked, known)

    async def ask(self, call: Call) -> None:
        """Sets `call.question` by what the call's document says now."""
        document, endpoint = await call.read_document(), call.endpoint
        shape = self._shapes[endpoint.path]
        if call.form is None:
            controls = _take_controls(call, document)
        else:
            controls, document = NO_CONTROLS, read_fields(document, shape)
        endpoint.view.judge(document)
        check(document, shape)
        view = read_as(document, endpoint.view)
        route = require_route(self._catalog, call.principal, view.model)
        call.question = Question(call.body or b"", view, route, controls, document, endpoint=endpoint, form=call.form)
        if self._leading is not None:
            self._leading.lead(call)


def _take_controls(call: Call, document: dict[str, object]) -> Controls:
    """What the body's `cache` says. It is for the gateway and goes no further: every other member stays as it was written."""
    if FIELD not in document:
        return call.question.controls if call.question else NO_CONTROLS
    controls = read_field(document.pop(FIELD))
    members = _members.decode(call.body or b"")
    del members[FIELD]
    call.body = msgspec.json.encode(members)
    return controls
