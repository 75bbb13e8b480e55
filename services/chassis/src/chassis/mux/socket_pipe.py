"""Batches over a unix socket beside the gRPC one, without gRPC's threads: each after its length in four bytes.

Everything queued in one turn of the loop is written with one system call at the turn's end. When the socket is full, writing
waits and batches grow; nothing is copied twice.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

SUFFIX = ".mux"  # the socket's name is that of the service's gRPC socket, and this
LENGTH = 4
LIMIT = 1 << 27  # no batch is larger: a single frame is 64 KiB, but be safe against garbage
READ_BUFFER = 256 << 10


class Session(Protocol):
    """What a pipe carries batches of."""

    def next_batch(self) -> bytes | None:
        """The next batch to send."""

    def receive(self, batch: bytes) -> None:
        """A batch arrived."""


class SocketPipe(asyncio.Protocol):
    """One end of the socket. `ended` is called once with the reason when the other end is gone."""

    def __init__(self, ended: Callable[[str], None]) -> None:
        self._ended = ended
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._is_flush_due = False
        self._is_full = False

    def carry(self, session: Session) -> None:
        """Sets whose batches travel."""
        self._session = session

    def wake(self) -> None:
        """There is something to send: it goes at the end of this turn of the loop, with all that is queued until then."""
        if not self._is_flush_due and not self._is_full:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Ends the connection after what is written."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._ended(str(error) if error else "the connection ended")

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self.wake()

    def data_received(self, data: bytes) -> None:
        assert self._session is not None
        received = self._received
        received += data
        start = 0
        while len(received) - start >= LENGTH:
            size = int.from_bytes(received[start : start + LENGTH])
            if size > LIMIT:
                self._abort()
                return
            end = start + LENGTH + size
            if len(received) < end:
                break
            self._session.receive(bytes(received[start + LENGTH : end]))
            start = end
        if start:
            del received[:start]

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._transport is None or self._session is None:
            return
        while not self._is_full and (batch := self._session.next_batch()) is not None:
            self._transport.writelines((len(batch).to_bytes(LENGTH), batch))

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
