"""What is told to all of a room, as Phoenix Channels V2 has it: made once, whoever many it goes to. Pure."""

import orjson

from chassis.errors import Reason, RunestoneError


class Broadcast:
    """Writes messages of one topic that are pushed to nobody in particular: both refs are null."""

    def __init__(self, topic: str) -> None:
        self._head = b"[null,null," + orjson.dumps(topic) + b","

    def text(self, event: str, payload: bytes) -> bytes:
        """The text message; `payload` is JSON."""
        return self._head + orjson.dumps(event) + b"," + payload + b"]"

    def chunk(self, start: bytes, seq: int, chunk: bytes) -> bytes:
        """The text message of one event of a stream that `start` begins."""
        return b"%s%d,\"chunk\":%s}]" % (start, seq, chunk)

    def chunk_start(self, stream_id: str) -> bytes:
        """What every `stream:chunk` of a stream begins with."""
        return self._head + b'"stream:chunk",{"stream_id":' + orjson.dumps(stream_id) + b',"seq":'


def read_object(payload: bytes) -> dict[str, object]:
    """A payload's object. Raises INVALID_REQUEST for any other JSON."""
    document = orjson.loads(payload)
    if not isinstance(document, dict):
        raise RunestoneError(Reason.INVALID_REQUEST, "the payload has to be an object")
    return document
