"""Holding delivery back in this process: what a paused stream's readers are sent waits here at once, whatever is still on its way."""

import asyncio


class Gate:
    """The way to one stream's readers in this process."""

    __slots__ = ("_opened", "_timer", "users")

    def __init__(self) -> None:
        self.users = 0
        self._opened: asyncio.Event | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing is held back."""
        return self._opened is None

    async def passing(self) -> None:
        """Returns when nothing is held back any more."""
        while self._opened is not None:
            await self._opened.wait()

    def shut(self, seconds: float) -> None:
        """Holds back for `seconds` at the most."""
        self.open()
        self._opened = asyncio.Event()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.open)

    def open(self) -> None:
        """Lets through what waits."""
        if self._timer is not None:
            self._timer.cancel()
        if self._opened is not None:
            self._opened.set()
        self._opened = self._timer = None


class Gates:
    """The gates of the streams that are read in this process, by their ids."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}

    def enter(self, stream_id: str) -> Gate:
        """The gate of a stream that begins to be read; `leave` when it is no more."""
        gate = self._gates.setdefault(stream_id, Gate())
        gate.users += 1
        return gate

    def leave(self, stream_id: str) -> None:
        """One reader fewer; the gate goes with the last."""
        gate = self._gates[stream_id]
        gate.users -= 1
        if not gate.users:
            gate.open()
            del self._gates[stream_id]

    def find(self, stream_id: str) -> Gate | None:
        """The gate of a stream that is read here."""
        return self._gates.get(stream_id)

    def __repr__(self) -> str:
        return f"Gates({len(self._gates)} streams)"
