"""What the launcher knows about its parts: it asks each one's IntrospectionService, briefly, all at once."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from chassis.client import Channel
from chassis.errors import Reason, RunestoneError
from chassis.health import Fact
from chassis.plain import PlainLink
from chassis.tracing import Tracing
from launcher.address_book import DialEach, dial_plainly
from launcher.plan import Part
from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest, GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

STARTING = "starting"  # nobody listens yet
PATIENCE = 1.0  # seconds; a part that hangs is shown as not ready, nobody waits for it


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """How one process stands. `error` says why it could not be asked; then it is not ready and the rest is empty."""

    name: str
    address: str
    is_ready: bool = False
    pid: int = 0
    version: str = ""
    facts: tuple[Fact, ...] = ()
    error: str = ""

    @property
    def trouble(self) -> str:
        """Why it is not ready, in one line; empty when it is."""
        missing = (
            f"{fact.name} ({fact.detail})" if fact.detail else fact.name for fact in self.facts if not fact.holds
        )
        return self.error or ", ".join(missing)


@dataclass(frozen=True, slots=True)
class Counted:
    """A process's metrics, in the OpenMetrics text format 1.0.0."""

    process_id: int
    exposition: bytes


class Inspector:
    """Asks every part. A context manager: the channels are closed at its end."""

    def __init__(self, parts: Sequence[Part], *, patience: float = PATIENCE, dial: DialEach = dial_plainly) -> None:
        self._parts = parts
        self._dial = dial
        self._patience = patience
        self._stubs: dict[str, IntrospectionServiceStub] = {}
        self._met: set[str] = set()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for part in self._parts:
            link = PlainLink(part.address, self._dial(part.node.name))
            channel = Channel(part.address, tracing=Tracing("launcher"), timeout=self._patience, link=link)
            await self._stack.enter_async_context(channel)
            self._stubs[part.name] = IntrospectionServiceStub(channel)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    async def statuses(self, patience: float | None = None) -> list[PartStatus]:
        """The status of every part, in the plan's order, after at most `patience` seconds (else the inspector's own)."""
        return await asyncio.gather(*(self._ask(part, patience or self._patience) for part in self._parts))

    async def metrics(self) -> list[tuple[Part, Counted | None]]:
        """Every part's metrics; None for a part that does not answer within `patience` seconds."""
        return list(zip(self._parts, await asyncio.gather(*map(self._read_metrics, self._parts)), strict=True))

    async def _ask(self, part: Part, patience: float) -> PartStatus:
        try:
            answer = await self._stubs[part.name].GetStatus(GetStatusRequest(), timeout=patience)
        except RunestoneError as error:
            is_starting = part.name not in self._met and error.reason is Reason.UNAVAILABLE
            trouble = STARTING if is_starting else f"does not answer ({error.reason})"
            return PartStatus(name=part.name, address=part.address, error=trouble)
        self._met.add(part.name)
        return PartStatus(
            name=part.name,
            address=part.address,
            is_ready=answer.ready,
            pid=answer.process_id,
            version=answer.snapshot_version,
            facts=tuple(Fact(fact.name, fact.holds, fact.detail) for fact in answer.facts),
        )

    async def _read_metrics(self, part: Part) -> Counted | None:
        try:
            answer = await self._stubs[part.name].GetMetrics(GetMetricsRequest(open_metrics=True))
        except RunestoneError:
            return None
        return Counted(answer.process_id, answer.exposition)
