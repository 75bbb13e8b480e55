"""What the cache saved, as the edge counts it."""

import asyncio

import pytest

from chassis.metrics import Metrics
from gateway_edge.caching import uses as uses_module
from gateway_edge.caching.uses import Uses
from runestone.cache.v1.cache_pb2 import NoteUseRequest, NoteUseResponse
from runestone.common.v1.cost_pb2 import Cost
from runestone.common.v1.usage_pb2 import Usage

USAGE, COST = Usage(input_tokens=3, output_tokens=4), Cost(nano_usd=5 * 10**8)


class Listener:
    def __init__(self) -> None:
        self.told: asyncio.Queue[NoteUseRequest] = asyncio.Queue()

    async def NoteUse(self, request: NoteUseRequest) -> NoteUseResponse:
        self.told.put_nowait(request)
        return NoteUseResponse()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def uses(metrics: Metrics) -> Uses:
    return Uses(Listener(), metrics)


async def test_hits_near_hits_and_shared_calls_save_money(
    uses: Uses, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uses_module, "INTERVAL", 0.001)
    uses.save(USAGE, COST)
    uses.note_near_hit(USAGE, COST)
    uses.follow(USAGE, COST)
    telling = asyncio.create_task(uses.tell())
    told = await asyncio.wait_for(uses._listener.told.get(), 10)
    telling.cancel()
    assert told == NoteUseRequest(
        near_hits=1, coalesced=1, saved_input_tokens=9, saved_output_tokens=12, saved_nano_usd=15 * 10**8
    )
    assert "runestone_cache_saved_dollars_total 1.5" in metrics.exposition().decode()


def test_what_nobody_knows_the_price_of_saves_tokens_only(uses: Uses, metrics: Metrics) -> None:
    uses.save(USAGE, None)
    uses.save(None, COST)
    exposition = metrics.exposition().decode()
    assert "runestone_cache_saved_dollars_total 0.5" in exposition
    assert 'runestone_cache_saved_tokens_total{direction="input"} 3.0' in exposition
