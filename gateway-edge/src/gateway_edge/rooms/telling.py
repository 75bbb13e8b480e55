"""What a member is answered, and what of it the others are told."""

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import orjson
from msgspec import Raw, Struct

from chassis.errors import Reason, RunestoneError
from gateway_edge.channels.asking import Ask
from gateway_edge.channels.channel import Answer, Payload
from gateway_edge.channels.frames import EMPTY
from gateway_edge.rooms.crowd import Member
from gateway_edge.rooms.room import Room
from gateway_edge.rooms.said import ANSWER

LONGEST_NOTE = 16 << 10  # bytes
LONGEST_ANSWER = 192 << 10  # bytes


class NotePayload(Struct, frozen=True):
    """Beside what is asked: what the others are to know of it, any JSON."""

    note: Raw = Raw()


def read_note(payload: Payload) -> dict[str, object]:
    """The note, if there is one. Raises INVALID_REQUEST when it is too long."""
    note = b"" if payload.is_binary else bytes(payload.read(NotePayload).note)
    if not note:
        return {}
    if len(note) > LONGEST_NOTE:
        raise RunestoneError(Reason.INVALID_REQUEST, f"a note may take {LONGEST_NOTE} bytes at most", param="note")
    return {"note": orjson.Fragment(note)}


class _Model(Struct):
    model: str = ""


def read_model(ask: Ask) -> str:
    """The model that is asked, as the request names it; empty where that cannot be said, which is for its call to refuse."""
    try:
        return msgspec.json.decode(bytes(ask.request), type=_Model).model
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""


def write_position(position: int) -> bytes:
    """Where in the room's order something was said."""
    return b'{"position":%d}' % position


class ToldAnswer:
    """An `Answer` that the whole room is told, too, behind what is `told` of it; the reply comes when it was, or cannot be. A long one, and
    one that is no JSON, only who asked gets."""

    def __init__(
        self,
        answer: Answer,
        room: Room,
        member: Member,
        told: dict[str, object],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._answer = answer
        self._room = room
        self._member = member
        self._told = told
        self._spawn = spawn

    def ok(self, response: bytes = EMPTY) -> None:
        """Tells everybody, then replies with JSON."""
        self._spawn(self._tell(response))

    def ok_binary(self, response: bytes) -> None:
        """Replies with bytes of any kind."""
        self._answer.ok_binary(response)

    def error(self, error: RunestoneError) -> None:
        """Replies that it failed, which is nobody else's."""
        self._answer.error(error)

    async def _tell(self, response: bytes) -> None:
        if len(response) <= LONGEST_ANSWER:
            told = self._told | {"answer": orjson.Fragment(response)}
        else:
            told = self._told | {"answer": None, "is_too_long": True}
        try:
            await self._room.say(self._member, ANSWER, told)
        except RunestoneError as error:
            self._answer.error(error)
        else:
            self._answer.ok(response)
