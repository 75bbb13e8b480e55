"""A room's members whose connections end here, and how all of them are told one thing.

Telling never waits, so that nobody slow holds up the others: the socket of a client that does not read closes itself with 1013, and the
client comes again for what it missed (`after`, `resume`).
"""

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct


class Listener(Protocol):
    """A member's connection: `gateway_edge.websocket.application.Socket`, as far as it is told things."""

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""

    @property
    def buffered(self) -> int:
        """Bytes that wait to be read by the client."""

    def send_frame(self, frame: bytes) -> None:
        """Sends whole frames, made already. Never waits; closes the client that has far too much waiting."""

    async def drain(self) -> None:
        """Waits while the client has more waiting than it may. Raises ConnectionResetError when it is gone."""


class Member(Struct, eq=False):
    """Somebody in a room by a connection of this edge. `meta` is what is told of it in its `version`; `api_key` is the name of the key
    that it calls with."""

    ref: str
    key: str
    meta: bytes
    listener: Listener
    api_key: str = ""
    version: int = 1
    is_joined: bool = False

    @property
    def phx_ref(self) -> str:
        """Names this version of the presence."""
        return f"{self.ref}.{self.version}"


class Crowd:
    """Up to `most` members, by ref."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._members: dict[str, Member] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __contains__(self, ref: object) -> bool:
        return ref in self._members

    @property
    def is_full(self) -> bool:
        """Whether nobody more may come."""
        return len(self._members) >= self._most

    def find(self, ref: str) -> Member | None:
        """The member with a ref."""
        return self._members.get(ref)

    def add(self, member: Member) -> None:
        """Somebody comes; is told nothing before it `is_joined`."""
        self._members[member.ref] = member

    def remove(self, member: Member) -> bool:
        """Somebody goes. Says whether it was there."""
        return self._members.pop(member.ref, None) is not None

    def tell(self, frame: bytes) -> None:
        """Sends the same bytes to everybody."""
        for member in self._members.values():
            if member.is_joined:
                member.listener.send_frame(frame)

    def __repr__(self) -> str:
        return f"Crowd({len(self._members)}/{self._most})"
