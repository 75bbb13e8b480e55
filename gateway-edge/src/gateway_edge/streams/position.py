"""From where a stream is to be read on. Pure."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from chassis.errors import Reason, RunestoneError

LAST_EVENT_ID = "last-event-id"  # WHATWG HTML, section 9.2.4
STARTING_AFTER = "starting_after"
MOST_DIGITS = 15
MOST_PARAMETERS = 32


def read_position(headers: Mapping[str, str], query: str) -> int:
    """The number of the last event that the client has; 0 for none. Raises INVALID_REQUEST for what is no number, and for two."""
    said = [(STARTING_AFTER, value) for value in _read_query(query)]
    if LAST_EVENT_ID in headers:
        said.append((LAST_EVENT_ID, headers[LAST_EVENT_ID]))
    if len(said) > 1:
        message = f"say once where to go on: `{LAST_EVENT_ID}` or `{STARTING_AFTER}`"
        raise RunestoneError(Reason.INVALID_REQUEST, message, param=STARTING_AFTER)
    return _read_number(*said[0]) if said else 0


def _read_query(query: str) -> list[str]:
    try:
        said = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        message = f"the query is not UTF-8, or has more than {MOST_PARAMETERS} parameters"
        raise RunestoneError(Reason.INVALID_REQUEST, message) from error
    return [value for name, value in said if name == STARTING_AFTER]


def _read_number(param: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        message = f"{param}: must be the number of an event, as its `id` says it"
        raise RunestoneError(Reason.INVALID_REQUEST, message, param=param)
    return int(text)
