"""Which stored response is asked for: it is found where it is, for its tenant and nobody else."""

from chassis.config import Catalog, Route
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call, Question
from gateway_edge.endpoints.stored import STORED
from gateway_edge.middleware.base import Proceed
from gateway_edge.question.views import ResponsesRequest
from gateway_edge.stored.asking import read_id, read_resource, wants_stream
from gateway_edge.stored.place import Place
from gateway_edge.stored.places import Places


class FindStored:
    """Makes a question of what is asked: of the model that made the response, and of the very provider that has it. It stands before
    the pipeline is chosen, for that may be the model's."""

    name = "find_stored"

    def __init__(self, places: Places, catalog: Catalog) -> None:
        self._places = places
        self._catalog = catalog

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Sets what the call asks. Raises NOT_FOUND, in the same words for a response that is unknown, another tenant's, or of a model
        that the caller may not use; INVALID_REQUEST for a query that cannot be read; UNAVAILABLE when nobody can say."""
        if call.principal is None:
            raise RunestoneError(Reason.AUTHENTICATION_FAILED, "you did not provide an API key; responses have owners")
        arrival = call.arrival
        response_id = read_id(arrival.endpoint)
        resource = read_resource(STORED[arrival.method, arrival.template], response_id, arrival.query)
        is_stream = wants_stream(resource)
        place = await self._places.find(call.principal.tenant, response_id)
        if place is None or not call.principal.scope.allows_model(place.model):
            message = f"Response with id '{response_id[:255]}' not found."
            raise RunestoneError(Reason.NOT_FOUND, message, param="id")
        call.resource, call.provider = resource, place.provider
        call.body, call.document = b"", {"model": place.model}
        call.question = self._ask(call, place, is_stream=is_stream)
        await proceed(call)

    def _ask(self, call: Call, place: Place, *, is_stream: bool) -> Question:
        """A model that has gone since keeps nobody from what it made."""
        route = self._catalog.find_route(place.model) or Route(f"{place.provider}/*", ())
        view = ResponsesRequest(model=place.model, stream=is_stream)
        return Question(b"", view, route, decoded=call.document, endpoint=call.endpoint)
