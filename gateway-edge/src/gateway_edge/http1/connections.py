"""All connections of one listener: who is silent for too long is closed, and at the end everybody."""

import asyncio
import contextlib
from typing import Protocol

from chassis.config.schema import Protection
from gateway_edge.http1.connection import Connection, Handle, Heir, Repeat, never

SWEEP = 1.0  # seconds between two looks at who is silent
MOST_REFUSED = 256  # connections that are kept only to be told that they are refused


class Bounds(Protocol):
    """How many connections there may be, and how patient they are served."""

    @property
    def protection(self) -> Protection:
        """The bounds for a connection that is opened now."""

    def enter(self, address: str) -> bytes:
        """Counts a connection; or returns the answer that refuses it, and does not."""

    def leave(self, address: str) -> None:
        """Forgets a connection that was counted."""

    def expire(self, phase: str) -> bytes:
        """Counts a connection that is given up, and returns what it is told; nothing where nobody waits for an answer."""


class Connections:
    """Makes connections for `loop.create_server` and keeps them. While there are none it does not wake up."""

    def __init__(self, handle: Handle, bounds: Bounds, sweep: float = SWEEP, repeat: Repeat = never) -> None:
        self.is_leaving = self.is_closing = False
        self._handle = handle
        self._repeat = repeat
        self._bounds = bounds
        self._sweep_interval = sweep
        self._open: set[Connection | Heir] = set()
        self._refused: set[Connection | Heir] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def __call__(self) -> Connection:
        """A connection that was just accepted."""
        return Connection(self, self._handle, asyncio.get_running_loop(), self._bounds.protection, self._repeat)

    def add(self, connection: Connection) -> None:
        """Keeps a connection from now on. One above a bound is told so as soon as it asks something."""
        refusal = self._bounds.enter(connection.client_address)
        if refusal:
            connection.refuse(refusal)
            if len(self._refused) >= MOST_REFUSED:
                connection.abort()
                return
            self._refused.add(connection)
        self._open.add(connection)
        self._empty.clear()
        if self._timer is None:
            self._set_timer()

    def hand_over(self, connection: Connection, heir: Heir) -> None:
        """Keeps `heir`, which has taken over the connection, in its place: it is counted as the same."""
        self._open.remove(connection)
        self._open.add(heir)

    def remove(self, connection: Connection | Heir) -> None:
        """Forgets one that is closed."""
        if connection not in self._open:
            return
        self._open.remove(connection)
        if connection in self._refused:
            self._refused.remove(connection)
        else:
            self._bounds.leave(connection.client_address)
        if not self._open:
            self._empty.set()

    def leave(self) -> None:
        """Ends each connection with its next answer, so that its client asks elsewhere: new ones are served all the same."""
        self.is_leaving = True

    def close_idle(self) -> None:
        """Ends what is not being used; what is used ends with its answer."""
        self.is_leaving = self.is_closing = True
        for connection in list(self._open):
            connection.close_if_idle()

    async def close(self, patience: float) -> None:
        """Ends everything: what is still to be sent has `patience` seconds."""
        self.close_idle()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), patience)
        for connection in list(self._open):
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._sweep_interval, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for connection in [connection for connection in self._open if connection.expires_at < now]:
            phase = connection.phase
            connection.expire(self._bounds.expire(phase) if phase else b"")
        if self._open:
            self._set_timer()

    def __len__(self) -> int:
        return len(self._open)

    def __repr__(self) -> str:
        return f"Connections({len(self)} open{', closing' if self.is_closing else ''})"
