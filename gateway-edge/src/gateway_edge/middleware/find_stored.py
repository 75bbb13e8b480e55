"""Which stored response is asked for: it is found where it is, for its tenant and nobody else."""

from chassis.config import Catalog, Route
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call, Followed, Outcome, Question
from gateway_edge.endpoints.stored import STORED
from gateway_edge.middleware.base import Proceed
from gateway_edge.middleware.find_stream import FindStream
from gateway_edge.question.views import ResponsesRequest
from gateway_edge.stored.asking import read_id, read_resource, read_starting_after, wants_stream
from gateway_edge.stored.place import Place
from gateway_edge.stored.places import Places
from gateway_edge.streams.numbering import Sequence
from runestone.provider.v1.provider_pb2 import Resource

GONE = frozenset({Reason.NOT_FOUND, Reason.EVENTS_LOST})


class FindStored:
    """Makes a question of what is asked: of the model that made the response, and of the very provider that has it. It stands before
    the pipeline is chosen, for that may be the model's."""

    name = "find_stored"

    def __init__(self, places: Places, catalog: Catalog, streams: FindStream) -> None:
        self._places = places
        self._catalog = catalog
        self._streams = streams

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
            raise not_found(response_id)
        if place.stream and is_stream and await self._read_on(call, place, resource):
            return
        if not place.provider:
            raise not_found(response_id)
        call.resource, call.provider = resource, place.provider
        call.body, call.document = b"", {"model": place.model}
        call.question = self._ask(call, place, is_stream=is_stream)
        await proceed(call)

    async def _read_on(self, call: Call, place: Place, resource: Resource) -> bool:
        """Whether the stream that the response came in was read on: not where that is gone, and its provider has the response."""
        had = read_starting_after(resource)
        try:
            note = await self._streams.find(call, place.stream)
            after_seq = 0 if had is None or note.is_changing else had + 1  # they count from 0
            await self._streams.follow(call, Followed(place.stream, note, after_seq), Sequence(had))
        except RunestoneError as error:
            if error.reason not in GONE or call.reply.has_begun:
                raise
            call.followed, call.cause, call.outcome = None, "", Outcome()
            return False
        return True

    def _ask(self, call: Call, place: Place, *, is_stream: bool) -> Question:
        """A model that has gone since keeps nobody from what it made."""
        route = self._catalog.find_route(place.model) or Route(f"{place.provider}/*", ())
        view = ResponsesRequest(model=place.model, stream=is_stream)
        return Question(b"", view, route, decoded=call.document, endpoint=call.endpoint)


def not_found(response_id: str) -> RunestoneError:
    """The same words whatever the reason: OpenAI's."""
    return RunestoneError(Reason.NOT_FOUND, f"Response with id '{response_id[:255]}' not found.", param="id")
