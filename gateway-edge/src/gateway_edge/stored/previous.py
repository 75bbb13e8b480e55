"""A response that goes on with an earlier one: only who has that can make it."""

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.question.views import ResponsesRequest
from gateway_edge.stored.places import Places

MEMBER = "previous_response_id"


async def find_previous(places: Places, call: Call) -> str:
    """The provider that has what `call` goes on with; empty for a call that goes on with nothing. Raises INVALID_REQUEST as OpenAI
    does where the caller has no such response or the model's targets cannot read it, UNAVAILABLE when nobody can say."""
    view = call.asked.view
    if not isinstance(view, ResponsesRequest) or view.previous_response_id is None:
        return ""
    place = await places.find(call.caller.tenant, view.previous_response_id)
    if place is not None and call.caller.scope.allows_model(place.model):
        providers = {target.provider for target in call.asked.route.targets}
        if place.provider in providers:
            return place.provider
    message = f"Previous response with id '{view.previous_response_id[:255]}' not found."
    raise RunestoneError(Reason.INVALID_REQUEST, message, param=MEMBER, code="previous_response_not_found")
