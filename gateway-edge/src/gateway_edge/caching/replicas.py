"""Every replica of cache-svc by itself, for what one cannot say or keep for the others."""

from collections.abc import AsyncIterator, Iterable, Mapping

from chassis.client import Channel
from chassis.members import Members
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub


class CacheReplicas:
    """Stubs on the members of cache-svc; one that stays keeps its stub."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._stubs: dict[Channel, CacheServiceStub] = {}

    @property
    def current(self) -> Mapping[str, CacheServiceStub]:
        """By address."""
        return self._put_stubs_on(self._members.current)

    async def changes(self) -> AsyncIterator[Iterable[CacheServiceStub]]:
        """Those that there are, whenever they are others."""
        async for channels in self._members.changes():
            yield self._put_stubs_on(channels).values()

    def _put_stubs_on(self, channels: Mapping[str, Channel]) -> dict[str, CacheServiceStub]:
        if self._stubs.keys() != set(channels.values()):
            self._stubs = {one: self._stubs.get(one) or CacheServiceStub(one) for one in channels.values()}
        return {address: self._stubs[channel] for address, channel in channels.items()}
