"""What callers send, checked: protobuf to rooms, members and messages. Raises INVALID_REQUEST with the member at fault."""

from cache_svc.rooms.store import room_key
from chassis.errors import Reason, RunestoneError
from runestone.room.v1.room_pb2 import (
    EnterRequest,
    LeaveRequest,
    Member,
    Message,
    PublishRequest,
    Room,
    WatchRequest,
)

MAX_TENANT, MAX_NAME = 256, 256  # bytes, as all below
MAX_REF, MAX_KEY, MAX_META, MAX_EDGE = 64, 256, 4 << 10, 64
MAX_EVENT, MAX_PAYLOAD, MAX_REQUEST_ID = 64, 256 << 10, 64
MAX_HISTORY = 200
MAX_POSITION = (1 << 53) - 1  # what every store counts exactly


def read_room(room: Room) -> bytes:
    """What it is kept under."""
    _check_named("room.tenant", room.tenant, MAX_TENANT)
    _check_named("room.name", room.name, MAX_NAME)
    return room_key(room.tenant, room.name)


def read_member(request: EnterRequest) -> Member:
    """One that can be told of."""
    member = request.member
    _check_named("member.ref", member.ref, MAX_REF)
    _check_size("member.key", len(member.key.encode()), MAX_KEY)
    _check_size("member.meta", len(member.meta), MAX_META)
    _check_named("member.edge", member.edge, MAX_EDGE)
    return member


def read_ref(request: LeaveRequest) -> str:
    """Who leaves."""
    _check_named("ref", request.ref, MAX_REF)
    return request.ref


def read_message(request: PublishRequest) -> Message:
    """What is said, without a place."""
    message = request.message
    _check_named("message.event", message.event, MAX_EVENT)
    _check_size("message.payload", len(message.payload), MAX_PAYLOAD)
    _check_size("message.sender", len(message.sender.encode()), MAX_REF)
    _check_size("request_id", len(request.request_id.encode()), MAX_REQUEST_ID)
    return Message(event=message.event, payload=message.payload, sender=message.sender)


def read_watcher(request: WatchRequest) -> tuple[str, int, int]:
    """The edge, the position that it has seen, and how many messages of the history it wants."""
    _check_named("edge", request.edge, MAX_EDGE)
    if request.history > MAX_HISTORY:
        raise _refusal("history", f"is {request.history}; {MAX_HISTORY} is the most")
    return request.edge, min(request.after_position, MAX_POSITION), request.history


def _check_named(member: str, text: str, most: int) -> None:
    if not 0 < len(text.encode()) <= most:
        raise _refusal(member, f"must have 1 to {most} bytes")


def _check_size(member: str, size: int, most: int) -> None:
    if size > most:
        raise _refusal(member, f"has more than {most} bytes")


def _refusal(member: str, message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, f"{member} {message}", param=member)
