"""The paths of streams that can be read on, and steered: a table. Pure."""

import re

from runestone.provider.v1.provider_pb2 import ControlRequest

STREAM = "/v1/streams/{id}"
COLLECTION = "/streams/"

# By the last part of its path: what is done to a stream.
CONTROLS: dict[str, ControlRequest.Action.ValueType] = {
    "pause": ControlRequest.ACTION_PAUSE,
    "resume": ControlRequest.ACTION_RESUME,
    "cancel": ControlRequest.ACTION_CANCEL,
}
# By method and template; all are one endpoint to scopes and metrics.
STEERED = tuple(("POST", f"{STREAM}/{word}") for word in CONTROLS)

_named = re.compile(rf"/v1/streams/[^/]+((?:/(?:{'|'.join(CONTROLS)}))?)").fullmatch


def find_stream_template(path: str) -> str:
    """The template of a path that names a stream; empty for any other."""
    found = _named(path)
    return f"{STREAM}{found[1]}" if found else ""


def read_stream_id(path: str) -> str:
    """The part behind `/streams/`, whatever it is."""
    return path.rpartition(COLLECTION)[2].partition("/")[0]


def read_control(path: str) -> tuple[str, str]:
    """Which stream, and what is to be done to it."""
    stream_id, _, word = path.rpartition(COLLECTION)[2].partition("/")
    return stream_id, word
