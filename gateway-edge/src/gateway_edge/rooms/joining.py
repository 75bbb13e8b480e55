"""Joining `room:<name>`: who may, as whom, and what is told first."""

from collections.abc import Callable
from typing import Annotated

import orjson
from msgspec import Meta, Struct

from chassis.errors import Reason, RunestoneError
from gateway_edge.callers.tenants import Principal
from gateway_edge.channels.channel import Channel, Joined, Payload
from gateway_edge.channels.session_topic import LONGEST_TRACE, check_resume
from gateway_edge.rooms.crowd import Member
from gateway_edge.rooms.handler import Place, RoomHandler, Speaking
from gateway_edge.rooms.history import Heard
from gateway_edge.rooms.names import read_name, write_meta
from gateway_edge.rooms.room import Welcome
from gateway_edge.rooms.rooms import Rooms
from gateway_edge.rooms.streams import MOST


class JoinPayload(Struct, frozen=True, omit_defaults=True):
    """What a client says of itself: the `key` that its presence stands under (absent: the name of its API key), `meta` for the others;
    how many messages of the `history` it wants at most (absent: as many as the gateway tells), only those `after` a position where it was
    here before; of which streams it has the events up to which (`resume`); and the trace that what it asks is part of."""

    key: str | None = None
    meta: object = {}
    history: int | None = None
    after: int = 0
    resume: dict[str, int] = {}
    traceparent: Annotated[str, Meta(max_length=LONGEST_TRACE)] = ""


class RoomTopics:
    """An `OpenTopic` for rooms. While they cannot hold, because several cache-svc know nothing of each other, none is joined."""

    def __init__(
        self,
        rooms: Rooms,
        speaking: Speaking,
        *,
        new_ref: Callable[[], str],
        is_shared: Callable[[], bool],
    ) -> None:
        self._rooms = rooms
        self._speaking = speaking
        self._new_ref = new_ref
        self._is_shared = is_shared

    async def __call__(self, channel: Channel, payload: Payload) -> Joined:
        """Brings the client in. Raises PERMISSION_DENIED for a room that its key may not join, INVALID_REQUEST for what it may not be
        called, OVERLOADED when the room is full, UNAVAILABLE when rooms are away."""
        if not self._is_shared():
            message = "rooms need shared state: set cache.state.store (or cache.store) to a Redis"
            raise RunestoneError(Reason.UNAVAILABLE, message, code="rooms_not_shared")
        principal = channel.session.find(self._speaking.policy())
        name = read_name(channel.name, "the room's name")
        principal.scope.check_room(name)
        asked = payload.read(JoinPayload)
        member = self._make_member(channel, principal, asked)
        hosted = self._rooms.open(principal.tenant, name)
        most = hosted.room.history.most if asked.history is None else asked.history
        try:
            welcome = await hosted.room.enter(member, after=asked.after, most=most)
        except BaseException:
            self._rooms.leave(hosted, member)  # and with it the room, if there is nobody else
            raise
        hosted.streams.follow(member, asked.resume)
        place = Place(channel, hosted, member, asked.traceparent)
        return Joined(RoomHandler(place, self._rooms, self._speaking), write_welcome(member, welcome))

    def _make_member(self, channel: Channel, principal: Principal, asked: JoinPayload) -> Member:
        check_resume(asked.resume, MOST)
        key = principal.key if asked.key is None else read_name(asked.key, "key")
        ref = self._new_ref()
        member = Member(ref=ref, key=key, meta=b"", listener=channel.socket, api_key=principal.key)
        member.meta = write_meta(asked.meta, member.phx_ref)
        return member


def write_welcome(member: Member, welcome: Welcome) -> bytes:
    """What a join is answered with: who the member is, up to where it knows the room, and what was said before."""
    told = {
        "key": member.key,
        "ref": member.ref,
        "phx_ref": member.phx_ref,
        "position": welcome.position,
        "history": [write_heard(heard) for heard in welcome.history],
    }
    return orjson.dumps(told)


def write_heard(heard: Heard) -> dict[str, object]:
    """A message of the history: as it was pushed, under its event."""
    return {"event": heard.event, "payload": orjson.Fragment(heard.payload)}
