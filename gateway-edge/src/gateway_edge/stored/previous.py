"""A response that goes on with an earlier one: only who has that can make it.

A provider's account is the gateway's, and shared by its tenants. So nothing that it stores is reached by an id alone: a response is
when the gateway noted whose it is; a conversation, and an item by its id, it cannot tell apart, and refuses.
"""

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call, Question
from gateway_edge.question.views import ResponsesRequest
from gateway_edge.stored.places import Places

MEMBER = "previous_response_id"
REFERENCE = "item_reference"
SIGNS = (b'"id"', rb"\u")  # of a member `id`, which every reference has; a body may spell it with escapes


async def find_previous(places: Places, call: Call) -> str:
    """The provider that has what `call` goes on with; empty for a call that goes on with nothing. Raises INVALID_REQUEST as OpenAI
    does where the caller has no such response or the model's targets cannot read it, and for what may be another tenant's;
    UNAVAILABLE when nobody can say."""
    view = call.asked.view
    if not isinstance(view, ResponsesRequest):
        return ""
    _refuse_what_may_be_anothers(view, call.asked)
    if view.previous_response_id is None:
        return ""
    place = await places.find(call.caller.tenant, view.previous_response_id)
    if place is not None and call.caller.scope.allows_model(place.model):
        providers = {target.provider for target in call.asked.route.targets}
        if place.provider in providers:
            return place.provider
    message = f"Previous response with id '{view.previous_response_id[:255]}' not found."
    raise RunestoneError(Reason.INVALID_REQUEST, message, param=MEMBER, code="previous_response_not_found")


def _refuse_what_may_be_anothers(view: ResponsesRequest, question: Question) -> None:
    if view.conversation is not None:
        message = "conversation: the gateway cannot tell whose it is; go on with `previous_response_id`"
        raise RunestoneError(Reason.INVALID_REQUEST, message, param="conversation")
    if not any(sign in question.body for sign in SIGNS):
        return
    items = question.document.get("input")
    for place, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and _is_reference(item):
            message = f"input[{place}]: the gateway cannot tell whose item that is; send the item itself"
            raise RunestoneError(Reason.INVALID_REQUEST, message, param=f"input[{place}]")


def _is_reference(item: dict[str, object]) -> bool:
    """OpenAI takes an item without a type for one, where it is no message (`role`)."""
    kind = item.get("type")
    return kind == REFERENCE or (kind is None and "role" not in item)
