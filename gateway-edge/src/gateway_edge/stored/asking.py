"""What is asked of a stored response: its id and its parameters, as the request line has them. Pure."""

from urllib.parse import parse_qsl

from chassis.errors import Reason, RunestoneError
from runestone.provider.v1.provider_pb2 import Resource

COLLECTION = "/responses/"
MOST_PARAMETERS = 32
STREAM, STARTING_AFTER = "stream", "starting_after"
MOST_DIGITS = 10
IGNORED = frozenset({"api-version"})  # which Azure's clients send with everything
BOOLEANS = {"true": True, "false": False}


def read_id(path: str) -> str:
    """The part behind `/responses/`, whatever it is."""
    return path.rpartition(COLLECTION)[2].partition("/")[0]


def read_resource(action: Resource.Action.ValueType, response_id: str, query: str) -> Resource:
    """What provider-svc is asked; it judges the parameters. Raises INVALID_REQUEST for a query that cannot be read."""
    try:
        said = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError as error:  # too many, or no UTF-8
        message = f"the query is not UTF-8, or has more than {MOST_PARAMETERS} parameters"
        raise RunestoneError(Reason.INVALID_REQUEST, message) from error
    resource = Resource(action=action, id=response_id)
    for name, value in said:
        if name not in IGNORED:
            resource.query.add(name=name, value=value)
    return resource


def wants_stream(resource: Resource) -> bool:
    """Whether events are asked for. Raises INVALID_REQUEST for what is neither true nor false, and for both."""
    said = [parameter.value for parameter in resource.query if parameter.name == STREAM]
    if len(said) > 1 or not all(value in BOOLEANS for value in said):
        raise RunestoneError(Reason.INVALID_REQUEST, "stream: must be `true` or `false`, and once", param=STREAM)
    return bool(said) and BOOLEANS[said[0]] and resource.action == Resource.ACTION_GET


def read_starting_after(resource: Resource) -> int | None:
    """The `sequence_number` of the last event that the client has; None where it has none. Raises INVALID_REQUEST for what is no number."""
    said = [parameter.value for parameter in resource.query if parameter.name == STARTING_AFTER]
    if not said:
        return None
    if len(said) > 1 or not (said[0].isascii() and said[0].isdigit() and len(said[0]) <= MOST_DIGITS):
        message = "starting_after: must be the `sequence_number` of an event, and once"
        raise RunestoneError(Reason.INVALID_REQUEST, message, param=STARTING_AFTER)
    return int(said[0])
