"""Calls that are asked together, and what each of them waits for."""

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from provider_svc.batching.item import Item
from provider_svc.provider import Begun, UpstreamCall
from runestone.common.v1.usage_pb2 import Usage


class Part(NamedTuple):
    """One call's part of an answer: a whole document, and what it used as far as that is known."""

    begun: Begun
    document: bytes
    usage: Usage | None


class Member:
    """One call. `answer` becomes its part, None when it is to be asked alone, or a failure; its batch changes where one is halved."""

    __slots__ = ("answer", "batch", "call", "item")

    def __init__(self, call: UpstreamCall, item: Item) -> None:
        self.call = call
        self.item = item
        self.answer: asyncio.Future[Part | None] = asyncio.get_running_loop().create_future()
        self.batch: Batch  # from `Batch.admit` on


class Batch:
    """Those who wait for one upstream call, in the order in which they came. `size` is in bytes of input; `timer` runs until the call
    begins, `task` makes it. Whoever has left, or was answered, is not among `members` any more."""

    __slots__ = ("members", "size", "task", "timer")

    def __init__(self, members: Iterable[Member] = ()) -> None:
        self.members: dict[Member, None] = {}
        self.size = 0
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None
        for member in members:
            self.admit(member)

    def admit(self, member: Member) -> None:
        """One more."""
        member.batch = self
        self.members[member] = None
        self.size += len(member.item.input)

    def dismiss(self, member: Member) -> None:
        """One less; doing it twice is harmless."""
        if self.members.pop(member, member) is None:
            self.size -= len(member.item.input)

    def stop_waiting(self) -> None:
        """It is not the time any more that begins the call."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def answer(self, parts: Iterable[tuple[Member, Part | None]]) -> None:
        """Gives each who is still there its part."""
        for member, part in parts:
            self.dismiss(member)
            if not member.answer.done():
                member.answer.set_result(part)

    def fail(self, make_failure: Callable[[], Exception]) -> None:
        """Fails whoever is still there, each with an error of its own."""
        for member in list(self.members):
            self.dismiss(member)
            if not member.answer.done():
                member.answer.set_exception(make_failure())

    def take_halves(self) -> tuple["Batch", "Batch"]:
        """Two batches of those who are still there; this one is left empty."""
        members = list(self.members)
        self.members.clear()
        middle = len(members) // 2
        return Batch(members[:middle]), Batch(members[middle:])

    def __repr__(self) -> str:
        state = "waiting" if self.task is None else "running"
        return f"Batch({len(self.members)} calls, {self.size} bytes, {state})"
