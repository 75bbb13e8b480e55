"""Frames as they are queued: in bytes, each a batch of its own. Pure.

Protobuf merges messages whose bytes stand one after the other, and appends what is repeated
(https://protobuf.dev/programming-guides/encoding/#last-one-wins). So a batch is its frames' bytes joined, and no frame is
copied into another message. A `SessionResponse` looks like a `SessionRequest`: one shape writes both.
"""

from chassis.metadata import ROUTE_KEY, VERSION, Metadata
from chassis.tracing import TRACEPARENT
from runestone.mux.v1.mux_pb2 import Cancel, Goodbye, SessionRequest, Status
from runestone.mux.v1.mux_pb2 import Metadata as Entry


def write_open(call: int, method: str, timeout: float, metadata: Metadata, request: bytes, *, more: bool) -> bytes:
    """Begins a call; `timeout` in seconds. A route key has done its work and stays here."""
    batch = SessionRequest()
    frame = batch.frames.add()
    frame.call = call
    opening = frame.open
    opening.method, opening.timeout_us, opening.request = method, int(timeout * 1e6), request
    if more:
        opening.more = True
    for key, value in metadata:
        if key == TRACEPARENT and isinstance(value, str):
            opening.traceparent = value
        elif key == VERSION and isinstance(value, str):
            opening.snapshot_version = value
        elif key != ROUTE_KEY:
            opening.metadata.append(Entry(key=key, value=value.encode() if isinstance(value, str) else value))
    return batch.SerializeToString()


def write_part(call: int, data: bytes, *, more: bool) -> bytes:
    """A message, or a part of one that goes on."""
    batch = SessionRequest()
    frame = batch.frames.add()
    frame.call = call
    frame.part.data = data
    if more:
        frame.part.more = True
    return batch.SerializeToString()


def write_credit(call: int, credit: int) -> bytes:
    """So many more bytes may come."""
    batch = SessionRequest()
    batch.frames.add(call=call, credit=credit)
    return batch.SerializeToString()


def write_cancel(call: int) -> bytes:
    """Nobody waits for the call any more."""
    batch = SessionRequest()
    batch.frames.add(call=call, cancel=Cancel())
    return batch.SerializeToString()


def write_answer(call: int, message: bytes) -> bytes:
    """Ends a unary call well."""
    batch = SessionRequest()
    frame = batch.frames.add()
    frame.call = call
    frame.status.message = message
    return batch.SerializeToString()


def write_end(call: int) -> bytes:
    """Ends a call well whose answers have gone before."""
    batch = SessionRequest()
    frame = batch.frames.add()
    frame.call = call
    frame.status.SetInParent()
    return batch.SerializeToString()


def write_status(call: int, status: Status) -> bytes:
    """Ends a call, however it ended."""
    batch = SessionRequest()
    batch.frames.add(call=call, status=status)
    return batch.SerializeToString()


def write_goodbye() -> bytes:
    """No new calls on this session."""
    batch = SessionRequest()
    batch.frames.add(goodbye=Goodbye())
    return batch.SerializeToString()
