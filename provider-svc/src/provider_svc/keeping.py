"""What a request for something that a provider keeps holds, checked: whatever of it goes into a path upstream stands in a table or in an
alphabet here. Pure."""

import re

from chassis.errors import Reason, RunestoneError
from provider_svc.provider import Kept
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_RESPONSES
from runestone.provider.v1.provider_pb2 import CallRequest, Resource

_INCLUDE = ("include", "include[]")

# The parameters that each action knows, as OpenAI has them.
PARAMETERS: dict[Resource.Action.ValueType, frozenset[str]] = {
    Resource.ACTION_GET: frozenset({*_INCLUDE, "include_obfuscation", "starting_after", "stream"}),
    Resource.ACTION_DELETE: frozenset(),
    Resource.ACTION_CANCEL: frozenset(),
    Resource.ACTION_INPUT_ITEMS: frozenset({*_INCLUDE, "after", "before", "limit", "order"}),
}
MOST_PARAMETERS = 32
LONGEST_VALUE = 512  # bytes

_is_id = re.compile(r"[A-Za-z0-9_-]{1,255}").fullmatch


def read_kept(request: CallRequest) -> Kept:
    """Raises INVALID_REQUEST for what is no id, an action or parameter that is unknown, or what only questions have."""
    resource = request.resource
    known = PARAMETERS.get(resource.action)
    if known is None:
        raise _refused("say which action: get, delete, cancel or input_items", "action")
    if request.dialect != DIALECT_OPENAI_RESPONSES:
        raise _refused("nothing is kept under an id in this dialect", "dialect")
    if not request.provider:
        raise _refused("provider is missing", "provider")
    if request.coalesce_key:
        raise _refused("what is kept is shared with nobody", "coalesce_key")
    if request.stream and resource.action != Resource.ACTION_GET:
        raise _refused("this has no stream", "stream")
    if not _is_id(resource.id):
        raise _refused("that is no id of a response", "id")
    return Kept(resource.action, resource.id, _read_query(resource, known))


def _read_query(resource: Resource, known: frozenset[str]) -> tuple[tuple[str, str], ...]:
    if len(resource.query) > MOST_PARAMETERS:
        raise _refused(f"more than {MOST_PARAMETERS} parameters", "query")
    for parameter in resource.query:
        if parameter.name not in known:
            raise _refused(f"Unknown parameter: {parameter.name[:100]!r}.", parameter.name[:100])
        if len(parameter.value.encode()) > LONGEST_VALUE:
            raise _refused(f"{parameter.name} is longer than {LONGEST_VALUE} bytes", parameter.name)
    return tuple((parameter.name, parameter.value) for parameter in resource.query)


def _refused(message: str, param: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, message, param=param)
