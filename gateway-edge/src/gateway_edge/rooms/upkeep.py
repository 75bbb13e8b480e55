"""What a room's shared state has yet to be told of members here: who has to be put in again, and who has gone."""

import asyncio
import random
from typing import Protocol

from chassis.errors import Reason, RunestoneError
from gateway_edge.rooms.crowd import Member
from gateway_edge.rooms.presence import Entry

SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds before it is tried again


class Register(Protocol):
    """Where it is told: `SharedRoom`."""

    async def enter(self, ref: str, entry: Entry) -> int:
        """Puts a member in."""

    async def leave(self, ref: str) -> None:
        """Takes one out."""


class Upkeep:
    """Tells until it has been told: of each member what holds now, whatever was to be told before. `run` does the work; who goes while
    the state is away goes with the edge's grace at the latest."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._due: dict[str, Member | None] = {}
        self._is_due = asyncio.Event()
        self._is_done = asyncio.Event()
        self._is_done.set()

    def put_in(self, member: Member) -> None:
        """A member that is here has to be in."""
        self._note(member.ref, member)

    def take_out(self, ref: str) -> None:
        """One that is gone has to be out."""
        self._note(ref, None)

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            await self._tell_all()
            self._is_done.set()

    async def wait_until_done(self, patience: float) -> bool:
        """Whether everything was told, waiting up to `patience` seconds."""
        try:
            await asyncio.wait_for(self._is_done.wait(), patience)
        except TimeoutError:
            return False
        return True

    def _note(self, ref: str, member: Member | None) -> None:
        self._due[ref] = member
        self._is_due.set()
        self._is_done.clear()

    async def _tell_all(self) -> None:
        pause = SHORTEST_PAUSE
        while self._due:
            ref, member = next(iter(self._due.items()))
            try:
                await self._tell(ref, member)
            except RunestoneError as error:
                if error.reason in (Reason.UNAVAILABLE, Reason.OVERLOADED, Reason.DEADLINE_EXCEEDED):
                    await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not secrecy
                    pause = min(pause * 2, LONGEST_PAUSE)
                    continue
            pause = SHORTEST_PAUSE
            if self._due.get(ref, self) is member:
                del self._due[ref]

    async def _tell(self, ref: str, member: Member | None) -> None:
        if member is None:
            await self._register.leave(ref)
        else:
            await self._register.enter(ref, Entry(member.key, member.meta))

    def __repr__(self) -> str:
        return f"Upkeep({len(self._due)} due)"
