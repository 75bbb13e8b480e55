"""A compressed answer's body, decoded."""

from collections.abc import AsyncIterator
from typing import Self

from provider_svc.http1.coding import Inflater
from provider_svc.http1.faults import WireFault
from provider_svc.wire_faults import invalid


class Inflated:
    """Reads `blocks` of provider `name` and gives what they decode to, in pieces of at most 256 KiB. Raises
    PROVIDER_INVALID_ANSWER when they do not decode."""

    def __init__(self, name: str, blocks: AsyncIterator[bytes]) -> None:
        self._name = name
        self._blocks = blocks
        self._inflater = Inflater()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            while not (piece := self._inflater.take()):
                self._inflater.feed(await self._next_block())
        except WireFault as exc:
            raise invalid(self._name, exc) from exc
        return piece

    async def _next_block(self) -> bytes:
        try:
            return await anext(self._blocks)
        except StopAsyncIteration:
            self._inflater.finish()
            raise
