"""Calls that come when they come, whatever became of those before, and what became of each."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import aiohttp
from chaos.questions import DIALECTS
from chaos.targets import tells_all
from real_mesh import ACME

PATIENCE = aiohttp.ClientTimeout(total=30)
ANSWERED, CUT, LOST = "answered", "cut", "lost"


@dataclass(frozen=True)
class Ending:
    """What became of a call that came `at` so many seconds: with `words` for who looks into it. `cut`: a stream broke off when a part of it
    was the client's."""

    at: float
    dialect: str
    stream: bool
    fate: str
    words: str = ""


@dataclass
class Tally:
    """How calls ended."""

    fates: Counter[str] = field(default_factory=Counter)
    unanswered: list[Ending] = field(default_factory=list)

    def note(self, ending: Ending) -> None:
        self.fates[ending.fate] += 1
        if ending.fate != ANSWERED:
            self.unanswered.append(ending)

    @property
    def calls(self) -> int:
        return self.fates.total()


async def load(url: str, model: str, *, rate: float, seconds: float, seed: int) -> Tally:
    """Calls `model` at `rate` calls a second in every dialect, whole and streamed. Returns when all are over."""
    random, tally = Random(seed), Tally()
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0), timeout=PATIENCE) as session:

        async def call(at: float, dialect: str, words: str, stream: bool) -> None:
            fate, why = await ask(session, dialect, model, words, stream=stream)
            tally.note(Ending(at, dialect, stream, fate, why))

        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds)):
                at = number / rate
                await asyncio.sleep(begun + at - time.monotonic())
                group.create_task(call(at, random.choice(list(DIALECTS)), f"call {number}", random.random() < 0.5))
    return tally


async def ask(session: aiohttp.ClientSession, dialect: str, model: str, words: str, *, stream: bool) -> tuple[str, str]:
    """A call to its end: its fate, and what there is to say of it."""
    how, body = DIALECTS[dialect], bytearray()
    document = {"model": model, "stream": stream, **how.ask(words)}
    try:
        async with session.post(how.path, json=document, headers={"authorization": f"Bearer {ACME}"}) as answer:
            async for block in answer.content.iter_any():
                body += block
        if answer.status != 200:
            return (
                LOST,
                f"{answer.status}, {answer.headers.get('x-runestone-attempts')} attempts: {bytes(body[:300])!r}",
            )
        text = how.read_stream(bytes(body)) if stream else how.read_document(bytes(body))
    except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError) as error:
        return (CUT if stream and body else LOST), repr(error)
    if text is None:
        return CUT, f"...{bytes(body[-300:])!r}"
    return (ANSWERED, "") if tells_all(text) else (LOST, f"other words: {text[:300]!r}")
