"""Asking the replicas of one service. One with a memory of its own speaks for no other."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis.client import Channel
from chassis.errors import Reason, RunestoneError
from chassis.replicas import open_link, resolve, split_address
from chassis.server import MAX_MESSAGE
from chassis.tracing import Tracing
from launcher.address_book import DialEach, dial_plainly

CONNECTING = 2.5  # seconds in which a replica has to be found and reached; time enough for the reason why it cannot be
PATIENCE = 60.0  # seconds for its answer
GONE = frozenset({Reason.UNAVAILABLE, Reason.DEADLINE_EXCEEDED})

Stub = TypeVar("Stub")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    """What each replica answered, and why the others could not be asked; both by the replica's name, or address where it has none."""

    answers: Mapping[str, T]
    failures: Mapping[str, str]


class ReplicaDesk(Generic[Stub]):
    """Asks the replicas of `service`, each over a connection of its own that ends with the answer.

    `services` are addresses by name, as in `mesh.json`; a mesh without the service has no replica that could be asked. Cancelling gives
    up on all of them; what one has begun, it ends. An answer has `patience` seconds.
    """

    def __init__(
        self,
        services: Mapping[str, str],
        service: str,
        open_stub: Callable[[Channel], Stub],
        patience: float = PATIENCE,
        dial: DialEach = dial_plainly,
    ) -> None:
        self._service = service
        self._address = services.get(service, "")
        self._names = {address: name for name, address in services.items()}
        self._open_stub = open_stub
        self._patience = patience
        self._dial = dial(service)

    async def ask_each(self, question: Callable[[Stub], Awaitable[T]]) -> Asked[T]:
        """Asks all at once. What one refuses as INVALID_REQUEST is raised; whatever else keeps one from answering is among the
        `failures`."""
        addresses, failures = await self._find_replicas()
        outcomes = await asyncio.gather(*(self._ask(address, question) for address in addresses))
        answers: dict[str, T] = {}
        for name, outcome in zip(map(self._name, addresses), outcomes, strict=True):
            if not isinstance(outcome, RunestoneError):
                answers[name] = outcome
            elif outcome.reason is Reason.INVALID_REQUEST:
                raise outcome
            else:
                failures[name] = describe(outcome)
        return Asked(answers, failures)

    async def ask_one(self, question: Callable[[Stub], Awaitable[T]]) -> tuple[str, T]:
        """What the first that is there answers, and its name. Raises what it refuses; UNAVAILABLE when none is there."""
        addresses, failures = await self._find_replicas()
        for address in addresses:
            outcome = await self._ask(address, question)
            if not isinstance(outcome, RunestoneError):
                return self._name(address), outcome
            if outcome.reason not in GONE:
                raise outcome
            failures[self._name(address)] = describe(outcome)
        raise RunestoneError(Reason.UNAVAILABLE, "; ".join(f"{name}: {why}" for name, why in failures.items()))

    async def _find_replicas(self) -> tuple[list[str], dict[str, str]]:
        """Their addresses, and what has none."""
        if not self._address:
            return [], {self._service: "is no service of this mesh"}
        found, failures = set[str](), dict[str, str]()
        for address in split_address(self._address):
            try:
                async with asyncio.timeout(CONNECTING):
                    found |= await resolve([address])
            except OSError as error:
                failures[address] = f"cannot be resolved: {error.strerror or type(error).__name__}"
        return sorted(found, key=self._name), failures

    async def _ask(self, address: str, question: Callable[[Stub], Awaitable[T]]) -> T | RunestoneError:
        link = open_link(address, MAX_MESSAGE, self._dial)
        async with Channel(address, tracing=Tracing("runestone"), timeout=self._patience, link=link) as channel:
            await channel.is_connected_within(CONNECTING)
            try:
                return await question(self._open_stub(channel))
            except RunestoneError as error:
                return error

    def _name(self, address: str) -> str:
        return self._names.get(address, address)


def describe(error: RunestoneError) -> str:
    """Why a replica has not answered."""
    return f"{error.message} ({error.reason})"
