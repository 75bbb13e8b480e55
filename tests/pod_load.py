"""Mixed load on a cluster, and what became of every call: whole answers at once and late, streams over SSE, streams over WebSockets."""

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

import runestone_client

WORDS = 60
QUICK, LATE = "words=3,latency=20ms", "words=3,latency=3s"
PACED = f"words={WORDS},pace=50ms"  # three seconds
RATES = {"whole": 10.0, "late": 3.0, "sse": 4.0}  # calls a second
SOCKETS = 8
PATIENCE = aiohttp.ClientTimeout(total=30)

Address = Callable[[], str]  # where the next call, or connection, goes


@dataclass
class Counts:
    """How calls ended, by kind; how often clients of WebSockets had to come back, and how long the longest was away."""

    answered: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[float, str, str]] = field(default_factory=list)
    asked: dict[str, set[str]] = field(default_factory=dict)
    reconnects: int = 0
    longest_away: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def fail(self, kind: str, why: str) -> None:
        self.failed.append((round(time.monotonic() - self.began, 2), kind, why))

    def __str__(self) -> str:
        calls = ", ".join(f"{count} {kind}" for kind, count in sorted(self.answered.items()))
        sockets = f"{self.reconnects} reconnects, longest away {self.longest_away:.2f} s"
        return f"answered {calls}; failed {len(self.failed)}; {sockets}"


@asynccontextmanager
async def load(address: Address, key: str, *, factor: float = 1.0) -> AsyncIterator[Counts]:
    """Load while the context is open; at its end every call that was begun has ended. `factor` times the usual rate."""
    counts, is_over = Counts(), asyncio.Event()
    headers = {"authorization": f"Bearer {key}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=headers, timeout=PATIENCE, connector=connector) as session:
        async with asyncio.TaskGroup() as group:
            callers = [Caller(session, address, counts)]
            for kind, rate in RATES.items():
                group.create_task(keep_calling(group, callers[0], kind, rate * factor, is_over))
            sockets = [Member(address, key, counts) for _ in range(SOCKETS)]
            for socket in sockets:
                group.create_task(socket.live(is_over))
            try:
                yield counts
            finally:
                is_over.set()


async def keep_calling(
    group: asyncio.TaskGroup, caller: "Caller", kind: str, rate: float, is_over: asyncio.Event
) -> None:
    """Calls that come when they come, whatever became of those before."""
    number, begun = 0, time.monotonic()
    while not is_over.is_set():
        group.create_task(caller.ask(kind, f"{kind} {number}"))
        number += 1
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))


class Caller:
    """Asks over HTTP, on connections that are kept."""

    def __init__(self, session: aiohttp.ClientSession, address: Address, counts: Counts) -> None:
        self._session = session
        self._address = address
        self._counts = counts
        self._ways: dict[str, Callable[[str], Awaitable[str]]] = {
            "whole": lambda words: self._ask_whole(QUICK, words),
            "late": lambda words: self._ask_whole(LATE, words),
            "sse": self._ask_stream,
        }

    async def ask(self, kind: str, words: str) -> None:
        """Asks, and counts how that ended."""
        try:
            why = await self._ways[kind](words)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            why = repr(error)
        if why:
            self._counts.fail(kind, why)
        else:
            self._counts.answered[kind] += 1

    async def _ask_whole(self, wish: str, words: str) -> str:
        async with self._post(wish, words, stream=False) as answer:
            body = await answer.read()
            self._note(answer)
            if answer.status != 200:
                return f"{answer.status} {body[:300]!r}"
            return "" if json.loads(body)["choices"][0]["message"]["content"] else f"an empty answer: {body!r}"

    async def _ask_stream(self, words: str) -> str:
        async with self._post(PACED, words, stream=True) as answer:
            body = await answer.read()
            self._note(answer)
        events = [event.removeprefix(b"data: ") for event in body.split(b"\n\n") if event.startswith(b"data: ")]
        if answer.status != 200 or events[-1:] != [b"[DONE]"]:
            return f"{answer.status} ...{body[-300:]!r}"
        texts = [choice["delta"].get("content") or "" for one in events[:-1] for choice in json.loads(one)["choices"]]
        return "" if len("".join(texts).split()) == WORDS else f"{len(''.join(texts).split())} words"

    def _note(self, answer: aiohttp.ClientResponse) -> None:
        self._counts.asked.setdefault(str(answer.url.host), set()).add(answer.headers["x-request-id"])

    @asynccontextmanager
    async def _post(self, wish: str, words: str, *, stream: bool) -> AsyncIterator[aiohttp.ClientResponse]:
        body = {"model": f"sim/{wish}", "messages": [{"role": "user", "content": words}], "stream": stream}
        url = f"{self._address()}/v1/chat/completions"
        async with self._session.post(url, json=body) as answer:
            yield answer


class Member:
    """A client of WebSockets that always reads a stream."""

    def __init__(self, address: Address, key: str, counts: Counts) -> None:
        self._address = address
        self._key = key
        self._counts = counts
        self._left_at: float | None = None

    async def live(self, is_over: asyncio.Event) -> None:
        """One stream after another, each to its last word."""
        client = runestone_client.connect(self._address, self._key, on_state=self._note)
        async with client, client.session() as session:
            while not is_over.is_set():
                body = {"model": f"sim/{PACED}", "messages": [{"role": "user", "content": secrets.token_hex(8)}]}
                try:
                    async with asyncio.timeout(30):
                        text = await (await session.stream(body)).finish()
                except (runestone_client.RunestoneError, TimeoutError) as error:
                    self._counts.fail("websocket", repr(error))
                    continue
                if len(text.split()) == WORDS:
                    self._counts.answered["websocket"] += 1
                else:
                    self._counts.fail("websocket", f"{len(text.split())} words")

    def _note(self, state: str) -> None:
        now = time.monotonic()
        if state == "connecting":
            self._left_at = self._left_at or now
        elif self._left_at is not None:
            self._counts.reconnects += state == "connected"
            self._counts.longest_away = max(self._counts.longest_away, now - self._left_at)
            self._left_at = None
