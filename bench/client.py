"""One connection of the load: asks, checks that the answer is whole, notes when its parts came."""

import asyncio
import copy
import time
from dataclasses import dataclass, field
from typing import cast

import httptools
import orjson

from bench.upstream import PACE, WORDS

PATIENCE = 30.0  # seconds that an answer may take
STALL = 10 * PACE  # a gap between two parts of a stream that a reader would notice, seconds
WORD = b" word"


@dataclass(slots=True)
class Tally:
    """What was seen. `events` are a stream's words, counted as they come; times in seconds. A first part is a stream's
    first byte of body, a stalled stream one with a gap longer than STALL."""

    answers: int = 0
    events: int = 0
    stalled: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    first_parts: list[float] = field(default_factory=list)

    def fail(self, why: str) -> None:
        """Counts a question that was not answered as it should be."""
        self.failures[why] = self.failures.get(why, 0) + 1

    def take(self) -> "Tally":
        """What was seen since the last time; counting begins anew."""
        taken, fresh = copy.copy(self), Tally()
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))
        return taken


class Client(asyncio.Protocol):
    """One keep-alive connection, one question at a time."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._answered: asyncio.Future[None] | None = None
        self.is_open = False

    async def ask(self, request: bytes, *, is_stream: bool = False) -> None:
        """Returns when the answer is whole, or failed; both are in the tally."""
        loop = asyncio.get_running_loop()
        self._begin_answer(loop.create_future())
        assert self._answered is not None
        deadline = loop.call_later(PATIENCE, self._fail, "took too long")
        began = time.perf_counter()
        self._transport.write(request)
        try:
            await self._answered
        except ConnectionError as error:
            self._tally.fail(str(error))
            self.close()
        else:
            self._note_answer(began, is_stream=is_stream)
        finally:
            deadline.cancel()

    def _begin_answer(self, answered: "asyncio.Future[None]") -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answered = answered
        self._body: list[bytes] = []
        self._carry = b""
        self._first_part = self._last_part = 0.0
        self._has_stalled = self._is_kept = False

    def _note_answer(self, began: float, *, is_stream: bool) -> None:
        wrong = find_fault(self._parser.get_status_code(), b"".join(self._body), is_stream=is_stream)
        if wrong:
            self._tally.fail(wrong)
        else:
            self._tally.answers += 1
            self._tally.latencies.append(time.perf_counter() - began)
        if is_stream and not wrong:
            self._tally.first_parts.append(self._first_part - began)
            self._tally.stalled += self._has_stalled
        if not self._is_kept:
            self.close()

    def close(self) -> None:
        """Closes the connection."""
        self.is_open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:

        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}")

    def on_body(self, body: bytes) -> None:
        """httptools': a part of the answer, without its framing."""
        now = time.perf_counter()
        self._first_part = self._first_part or now
        self._has_stalled = self._has_stalled or 0 < self._last_part < now - STALL
        self._last_part = now
        self._body.append(body)
        seen = self._carry + body
        self._tally.events += seen.count(WORD)
        self._carry = seen[1 - len(WORD) :]  # a word may come in two parts, and is not to be counted twice

    def on_message_complete(self) -> None:
        """httptools': the answer is whole. Whether the connection stays is known only now, not after the call."""
        self._is_kept = self._parser.should_keep_alive()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._fail(f"connection lost: {error or 'closed'}")

    def _fail(self, why: str) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionError(why))


def find_fault(status: int, body: bytes, *, is_stream: bool) -> str:
    """What is wrong with an answer; empty when nothing is. A truncated answer is not an answer."""
    if status != 200:
        return f"status {status}"
    if is_stream:
        is_whole = body.count(WORD) == WORDS and body.rstrip().endswith(b"data: [DONE]")
        return "" if is_whole else "stream is not whole"
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return "body is not JSON"
    return "" if body.count(WORD) >= WORDS else "body is not whole"


async def connect(port: int, tally: Tally) -> Client:
    """A client on loopback. A connection that cannot be made is a failure, and raises OSError."""
    try:
        _, client = await asyncio.get_running_loop().create_connection(lambda: Client(tally), "127.0.0.1", port)
    except OSError as error:
        tally.fail(f"cannot connect: {error}")
        raise
    return client
