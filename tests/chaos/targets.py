"""Targets that break on demand."""

import asyncio
from collections.abc import Sequence

from chaos.weather import FAULTS, Spell
from fake_provider import FakeProvider

TEXT = "the day was long and stormy but whoever asked was told all of it word by word from the first to the last"
WELL = f"say={TEXT},pace=10ms"


def tells_all(text: str) -> bool:
    """Whether it is the whole text, at last: the fakes do not know when they go on with another's answer, and begin anew."""
    return text.endswith(TEXT)


class Target:
    """A fake provider at `port` that can be broken and mended; entered, it is well."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests = 0
        self._fake = FakeProvider(port, wishes=WELL)
        self._is_up = False

    async def start(self) -> None:
        """Listens."""
        self._fake = FakeProvider(self.port, wishes=WELL)
        await self._fake.__aenter__()
        self._is_up = True

    async def stop(self) -> None:
        """Breaks all connections and listens no more."""
        if self._is_up:
            self._is_up = False
            await self._fake.crash()
            self.requests += self._fake.requests

    async def suffer(self, fault: str) -> None:
        """Is broken from now on in this way; what is merely restarted is well again at once."""
        if (wish := FAULTS[fault]) is not None:
            self._fake.wishes = f"{WELL},{wish}"
            return
        await self.stop()
        if fault == "is killed and restarted":
            await self.start()

    async def mend(self) -> None:
        """Is well again."""
        self._fake.wishes = WELL
        if not self._is_up:
            await self.start()


async def storm(targets: Sequence[Target], spells: Sequence[Spell]) -> None:
    """Plays the spells, from now on."""
    now = asyncio.get_running_loop().time
    begun = now()

    async def play(spell: Spell) -> None:
        target = targets[spell.target]
        await asyncio.sleep(begun + spell.start - now())
        await target.suffer(spell.fault)
        await asyncio.sleep(begun + spell.end - now())
        await target.mend()

    async with asyncio.TaskGroup() as group:
        for spell in spells:
            group.create_task(play(spell))
