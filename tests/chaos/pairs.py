"""Makers in pairs: the first of each is told how to fail, the second is well and of another kind. What a client sees of the two."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
from chaos.metrics import measure
from dialect_stage import PATIENCE, Stage, Wire, staging
from fake_provider import FakeProvider
from makers import MAKERS, Cell, describe
from real_mesh import Mesh

from runestone.audit.v1.audit_pb2 import AuditRecord

WELL = "-well"
ROWS = 40  # routes of each pair: as many rows of a table may be played, each with a budget of its own
SECOND = dict(zip(MAKERS, [*list(MAKERS)[1:], *list(MAKERS)[:1]], strict=True))
RUNNING = ("calls_running", "upstream_running", "upstream_followers")


def pair(number: int, suffix: str = "", **entry: Any) -> list[dict[str, Any]]:
    """The routes of row `number`: `OpenAI-3/...` asks OpenAI, then its second, Anthropic."""
    return [
        {
            "name": f"{maker}-{number}/*",
            "targets": [
                {"provider": f"{maker}{suffix}", "model": "*"},
                {"provider": f"{SECOND[maker]}{WELL}", "model": "whole", "priority": 1},
            ],
            **entry,
        }
        for maker in MAKERS
    ]


def well(port: int) -> list[dict[str, Any]]:
    """The second ones, at `port`."""
    return [maker | {"retries": {"attempts": 1}} for maker in describe(port, WELL)]


@dataclass(frozen=True)
class Told:
    """What a client was told: the SDK's exception ("" for none), the status, the text or the error, by whom and at which attempt; and what
    stands in the record."""

    raised: str
    status: int
    words: str
    provider: str
    attempts: int
    recorded: int


class Pairs:
    """Plays calls at pairs. `stage.fake` is the first, `second` the other."""

    def __init__(self, stage: Stage, second: FakeProvider) -> None:
        self.stage = stage
        self.second = second

    async def play(self, cell: Cell, number: int, wish: str) -> Told:
        """A call of the row to its end."""
        model, wire = self.stage.name(cell, wish, f"-{number}"), Wire()
        words = raised = ""
        try:
            words = (await self.stage.start(cell, model, wire)).text
        except (openai.OpenAIError, anthropic.AnthropicError, RuntimeError) as error:
            raised, words = type(error).__name__, wire.body.decode(errors="replace")
        (record,) = await self.stage.records([model])
        return Told(
            raised=raised,
            status=wire.status,
            words=words,
            provider=wire.headers.get("x-runestone-provider", ""),
            attempts=int(wire.headers.get("x-runestone-attempts", 0)),
            recorded=record.status,
        )

    async def play_all(self, cells: Iterable[Cell], number: int, wish: str) -> dict[Cell, Told]:
        """Calls of all cells at once."""
        cells = list(cells)
        told = await asyncio.gather(*(self.play(cell, number, wish) for cell in cells))
        return dict(zip(cells, told, strict=True))

    async def check_nothing_is_left(self) -> None:
        """No call runs anywhere, and no socket is open but those that are kept for the next."""
        async with asyncio.timeout(PATIENCE):
            while True:
                numbers = await measure(self.stage.mesh)
                kept = self.stage.fake.connections.open + self.second.connections.open
                if not any(map(numbers.sum, RUNNING)) and numbers.sum("upstream_connections") == kept:
                    return
                await asyncio.sleep(0.02)

    async def check_billing(self) -> None:
        """Every whole answer is in one record, with what its maker counted, and counted once."""
        numbers, records = await measure(self.stage.mesh), self.stage.mesh.audit_records()
        for name, recorded in _sum_tokens(records).items():
            assert numbers.sum("upstream_tokens_total", provider=name, direction="output") == recorded, name


def _sum_tokens(records: Iterable[AuditRecord]) -> Mapping[str, int]:
    """Output tokens of each provider that is well, as the records have them."""
    found = {f"{maker}{WELL}": 0 for maker in MAKERS}
    for record in records:
        if record.provider in found:
            found[record.provider] += record.usage.output_tokens
    return found


@asynccontextmanager
async def playing(mesh: Mesh, port: int) -> AsyncIterator[Pairs]:
    """Pairs with a fake provider behind the first of each, another at `port` behind the second."""
    async with FakeProvider(port) as second, staging(mesh) as stage:
        yield Pairs(stage, second)
