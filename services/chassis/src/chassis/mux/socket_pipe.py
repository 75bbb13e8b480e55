"""Batches over a unix socket beside the gRPC one, without gRPC's threads: each after its length in four bytes.

Everything queued in one turn of the loop is written with one system call at the turn's end. When the socket is full, writing
waits and batches grow; nothing is copied twice.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from chassis.errors import Reason, RunestoneError

SUFFIX = ".mux"  # the socket's name is that of the service's gRPC socket, and this
LENGTH = 4
LIMIT = 1 << 24  # no batch is larger: a batch is 256 KiB or one frame, and only metadata and errors make that larger
GREETING = b""  # the callee's first batch


class Session(Protocol):
    """What a pipe carries batches of."""

    def next_batch(self) -> bytes | None:
        """The next batch to send."""

    def receive(self, batch: bytes) -> None:
        """A batch arrived. Raises RunestoneError when the other end breaks the rules: the connection is to end."""


class SocketPipe(asyncio.Protocol):
    """One end of the socket. `ended` is called once with the reason when the other end is gone; `heard` is set as soon as
    it has said anything, or is gone. The callee's end `greets`."""

    def __init__(self, ended: Callable[[str], None], *, greets: bool = False) -> None:
        self.heard = asyncio.Event()
        self._ended = ended
        self._greets = greets
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._is_flush_due = False
        self._is_full = False
        self._why = "the connection ended"

    def carry(self, session: Session) -> None:
        """Sets whose batches travel."""
        self._session = session

    def wake(self) -> None:
        """There is something to send: it goes at the end of this turn of the loop, with all that is queued until then."""
        if not self._is_flush_due and not self._is_full:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Ends the connection after what is queued and written."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self, why: str) -> None:
        """Ends the connection at once."""
        self._why = why
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._greets:
            self._transport.write(len(GREETING).to_bytes(LENGTH) + GREETING)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.heard.set()
        self._ended(str(error) if error else self._why)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self.wake()

    def data_received(self, data: bytes) -> None:
        self.heard.set()
        self._received += data
        try:
            self._receive_batches()
        except RunestoneError as error:
            self._received.clear()
            self.abort(error.message)

    def _receive_batches(self) -> None:
        """Hands on every whole batch that has arrived."""
        assert self._session is not None
        received, start = self._received, 0
        while len(received) - start >= LENGTH:
            size = int.from_bytes(received[start : start + LENGTH])
            if size > LIMIT:
                raise RunestoneError(Reason.INVALID_REQUEST, f"the other end announced a batch of {size} bytes")
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
