"""Members and messages as a store keeps them, sealed where their tenant's are, and as watchers are told of them. Pure."""

from collections.abc import Iterable, Iterator

from google.protobuf.message import DecodeError

from cache_svc.rooms.store import GRACE, Change, Kind, Presence, Standing
from cache_svc.seals import ContentSeal
from chassis.hashing import hash_parts
from runestone.room.v1 import room_pb2 as messages


class RoomWriting:
    """Writes and reads what is kept of one room. What cannot be opened or read is not there."""

    def __init__(self, seal: ContentSeal, tenant: str, room: bytes) -> None:
        self._seal = seal
        self._tenant = tenant
        self._room = room

    def write_member(self, member: messages.Member) -> Presence:
        """What is kept of a member."""
        return Presence(member.ref, member.edge, self._close(Kind.ENTERED, member.SerializeToString()))

    def write_message(self, message: messages.Message) -> bytes:
        """What is kept of a message."""
        return self._close(Kind.SAID, message.SerializeToString())

    def read_standing(self, standing: Standing) -> messages.State:
        """How the room stands."""
        state = messages.State(
            members=self._read_members(standing.members),
            messages=self._read_messages(standing.messages),
            position=standing.position,
            is_behind=standing.is_behind,
        )
        state.grace.FromNanoseconds(round(GRACE * 1e9))
        return state

    def read_changes(self, changes: Iterable[Change]) -> Iterator[messages.Change]:
        """What changed."""
        for change in changes:
            read = self._read_change(change)
            if read is not None:
                yield read

    def _read_change(self, change: Change) -> messages.Change | None:
        if change.kind is Kind.LEFT:
            return messages.Change(left=change.content.decode(), position=change.position)
        if change.kind is Kind.SAID:
            message = self._read_message(change)
            return message and messages.Change(message=message, position=change.position)
        member = self._read_member(change.content)
        return member and messages.Change(entered=member, position=change.position)

    def _read_members(self, contents: Iterable[bytes]) -> Iterator[messages.Member]:
        return filter(None, map(self._read_member, contents))

    def _read_messages(self, changes: Iterable[Change]) -> Iterator[messages.Message]:
        return filter(None, map(self._read_message, changes))

    def _read_member(self, content: bytes) -> messages.Member | None:
        opened = self._open(Kind.ENTERED, content)
        try:
            return None if opened is None else messages.Member.FromString(opened)
        except DecodeError:
            return None

    def _read_message(self, change: Change) -> messages.Message | None:
        opened = self._open(Kind.SAID, change.content)
        try:
            message = None if opened is None else messages.Message.FromString(opened)
        except DecodeError:
            return None
        if message is not None:
            message.position = change.position
        return message

    def _close(self, kind: Kind, text: bytes) -> bytes:
        return self._seal.seal(self._tenant, hash_parts((self._room, kind.value)), text)

    def _open(self, kind: Kind, content: bytes) -> bytes | None:
        return self._seal.unseal(self._tenant, hash_parts((self._room, kind.value)), content)
