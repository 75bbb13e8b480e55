"""What waits to be read by a client: bounded in bytes, and in the time that it may wait."""

import asyncio
from collections.abc import Callable


def _nobody() -> None:
    """Nobody is left to be told."""


class Outbox:
    """Writes frames to a transport. Above `most` bytes it is choked until the client has read most of them; `give_up` is called when it does
    not within `patience` seconds. What is written before there is a transport waits for it."""

    __slots__ = ("_early", "_gate", "_give_up", "_most", "_patience", "_timer", "_transport", "_upper")

    def __init__(self, most: int, patience: float, give_up: Callable[[], None]) -> None:
        self._most = most
        self._patience = patience
        self._give_up = give_up
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] | None = None
        self._gate: asyncio.Event | None = None  # shut while it is choked
        self._timer: asyncio.TimerHandle | None = None
        self._upper = 0

    def open(self, transport: asyncio.Transport) -> None:
        """Writes to `transport` from now on."""
        self._transport = transport
        transport.set_write_buffer_limits(self._most)
        early, self._early = self._early, None
        if early:
            self.write(b"".join(early))

    @property
    def size(self) -> int:
        """Bytes that wait, beyond what the kernel took."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    @property
    def is_choked(self) -> bool:
        """Whether more waits than may."""
        return self._gate is not None

    @property
    def is_overfull(self) -> bool:
        """Whether as much again was written while it was choked: somebody does not wait."""
        return self._gate is not None and self.size > self._upper

    def write(self, frame: bytes) -> None:
        """Sends a frame behind what waits."""
        if self._transport is None:
            self._early = [*(self._early or ()), frame]
        elif not self._transport.is_closing():
            self._transport.write(frame)

    async def wait(self) -> None:
        """Returns when it is not choked, or was released."""
        if self._gate is not None:
            await self._gate.wait()

    def choke(self) -> None:
        """The transport holds more than it may."""
        self._gate = asyncio.Event()
        self._upper = self.size + self._most
        self._timer = asyncio.get_running_loop().call_later(self._patience, self._give_up)

    def release(self) -> None:
        """Whoever waits goes on: the client has read, or nothing more is sent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._gate is not None:
            self._gate.set()
            self._gate = None

    def close(self) -> None:
        """The transport is closed: lets go of it, and of who was to be told, who holds this object."""
        self.release()
        self._transport, self._give_up = None, _nobody

    def __repr__(self) -> str:
        return f"Outbox({self.size} bytes{', choked' if self.is_choked else ''})"
