"""One question to the gateway, as any client asks it, and what `x-cache` says of the answer."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import aiohttp

from gateway_edge.inner.question_file import Line
from gateway_edge.inner.round import Came
from launcher.answers import read_error
from launcher.cli.talking import Gateway

TRIES = 3
AGAIN = (429, 503)  # where they say when
LONGEST_PAUSE = 60.0  # seconds
LAST = 64  # bytes in which the end of a whole stream is found
DONE = b"data: [DONE]"
EVENTS = "text/event-stream"


class Asker:
    """Asks with one key. `failures` counts what went wrong by the gateway's words; `is_refused` says that the key is none."""

    session: aiohttp.ClientSession

    def __init__(self, gateway: Gateway, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.failures: Counter[str] = Counter()
        self.is_refused = False
        self._gateway = gateway
        self._sleep = sleep
        self._headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}

    async def ask(self, line: Line) -> Came:
        """Reads the answer to its end. A refusal that says when to come again is obeyed, twice and up to a minute."""
        trouble = ""
        for attempt in range(1, TRIES + 1):
            try:
                came, trouble, pause = await self._ask_once(line.body)
            except (aiohttp.ClientError, TimeoutError) as error:
                came, trouble, pause = None, f"the connection failed: {error or type(error).__name__}", None
            if came is not None:
                return came
            if pause is None or attempt == TRIES:
                break
            await self._sleep(pause)
        self.failures[trouble] += 1
        return Came.FAILED

    async def _ask_once(self, body: bytes) -> tuple[Came | None, str, float | None]:
        """What came of it; else what went wrong, and the seconds after which it may go better."""
        url = f"{self._gateway.url}/v1/chat/completions"
        async with self.session.post(url, data=body, headers=self._headers) as answer:
            if answer.status != 200:
                self.is_refused = self.is_refused or answer.status == 401
                return None, read_error(answer.status, await answer.read()), _pause_of(answer)
            if not await _is_whole(answer):
                return None, "the answer was cut before its end", None
            return Came.of_cache(answer.headers.get("x-cache", "")), "", None


async def _is_whole(answer: aiohttp.ClientResponse) -> bool:
    """Reads to the end, and keeps nothing of it but the last bytes."""
    last = b""
    async for part in answer.content.iter_any():
        last = (last + part)[-LAST:]
    return answer.content_type != EVENTS or DONE in last


def _pause_of(answer: aiohttp.ClientResponse) -> float | None:
    if answer.status not in AGAIN:
        return None
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return min(max(float(answer.headers[name]) / unit, 0.0), LONGEST_PAUSE)
        except (KeyError, ValueError):
            continue
    return None
