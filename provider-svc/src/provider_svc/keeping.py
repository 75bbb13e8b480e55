"""What a request for something that a provider keeps holds, checked: whatever of it goes into a path upstream stands in a table or in an
alphabet here. Pure."""

import re
from collections.abc import Callable, Mapping

from chassis.errors import Reason, RunestoneError
from provider_svc.provider import Kept
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_RESPONSES
from runestone.provider.v1.provider_pb2 import CallRequest, Resource

IsRight = Callable[[str], bool]


def _is_number(least: int, most: int) -> IsRight:
    return lambda text: text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most


def _is_text(text: str) -> bool:
    return len(text) <= LONGEST_VALUE


LONGEST_VALUE = 100  # characters
_is_flag = frozenset({"true", "false"}).__contains__
_INCLUDE: dict[str, IsRight] = {"include": _is_text, "include[]": _is_text}

# The parameters that each action knows, as OpenAI has them, and what each may be.
PARAMETERS: dict[Resource.Action.ValueType, Mapping[str, IsRight]] = {
    Resource.ACTION_GET: {
        **_INCLUDE,
        "include_obfuscation": _is_flag,
        "starting_after": _is_number(0, 2**31 - 1),
        "stream": _is_flag,
    },
    Resource.ACTION_DELETE: {},
    Resource.ACTION_CANCEL: {},
    Resource.ACTION_INPUT_ITEMS: {
        **_INCLUDE,
        "after": _is_text,
        "before": _is_text,
        "limit": _is_number(1, 100),
        "order": frozenset({"asc", "desc"}).__contains__,
    },
}
MOST_PARAMETERS = 32

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


def _read_query(resource: Resource, known: Mapping[str, IsRight]) -> tuple[tuple[str, str], ...]:
    if len(resource.query) > MOST_PARAMETERS:
        raise _refused(f"more than {MOST_PARAMETERS} parameters", "query")
    for parameter in resource.query:
        if parameter.name not in known:
            raise _refused(f"Unknown parameter: {parameter.name[:100]!r}.", parameter.name[:100])
        if not known[parameter.name](parameter.value):
            raise _refused(f"{parameter.name} cannot be {parameter.value[:100]!r}", parameter.name)
    return tuple((parameter.name, parameter.value) for parameter in resource.query)


def _refused(message: str, param: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, message, param=param)
