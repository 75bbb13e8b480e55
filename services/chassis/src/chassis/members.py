"""Every replica of a service by itself: for what one of them cannot say, or do, for the others.

Replicas that keep state in their own memory have each a log of changes of its own, and each has to be told what to forget.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from chassis.client import Channel, Link
from chassis.metadata import Metadata
from chassis.replicas import Replica, ReplicaLink


class Members:
    """A channel to each replica behind `link`, which is not connected to a second time. Closing one of the channels does nothing:
    the connection stays the link's.

    `make_channel` puts a channel on an address and its link.
    """

    def __init__(self, address: str, link: Link, make_channel: Callable[[str, Link], Channel]) -> None:
        self._whole = link if isinstance(link, ReplicaLink) else ReplicaLink([address], lambda _only: link)
        self._make_channel = make_channel
        self._channels: dict[Replica, Channel] = {}

    @property
    def current(self) -> Mapping[str, Channel]:
        """By address; empty as long as no name was resolved, which does not mean that there are none. A replica keeps its channel as
        long as it stays; one that goes and comes back under its address has a new one."""
        replicas = self._whole.replicas.values()
        self._channels = {replica: self._channels.get(replica) or self._pin(replica) for replica in replicas}
        return {replica.address: channel for replica, channel in self._channels.items()}

    async def changes(self) -> AsyncGenerator[Mapping[str, Channel]]:
        """`current` as soon as there is a replica, then whenever it is another one. Changes in quick succession are told as one; ends
        only by being closed or cancelled."""
        told: Mapping[str, Channel] = {}
        while True:
            now = self.current
            if now == told:
                await self._whole.changed.wait()
            else:
                told = now
                yield now

    def _pin(self, replica: Replica) -> Channel:
        return self._make_channel(replica.address, PinnedLink(replica))

    def __repr__(self) -> str:
        return f"Members({self._whole!r})"


class PinnedLink:
    """A `Link` to one replica and to no other. Its calls count like all others: the replica's connection outlives them when it
    leaves, and their failures leave it out of the balance."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    async def call(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> bytes:
        """A unary call."""
        with self._replica.in_use() as link:
            return await link.call(method, request, timeout, metadata)

    async def stream(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> AsyncGenerator[bytes]:
        """A server-streaming call."""
        with self._replica.in_use() as link:
            async with aclosing(link.stream(method, request, timeout, metadata)) as answers:
                async for answer in answers:
                    yield answer

    @property
    def is_connected(self) -> bool:
        """Whether the replica can be reached at once."""
        return self._replica.link.is_connected

    async def is_connected_within(self, timeout: float) -> bool:
        """Whether the replica can be reached, waiting up to `timeout` seconds."""
        return await self._replica.link.is_connected_within(timeout)

    async def close(self) -> None:
        """Leaves the connection to whose it is."""

    def __repr__(self) -> str:
        return f"PinnedLink({self._replica!r})"
