"""What is certainly not kept, and answers on their way: known without asking."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from gateway_edge.caching.absence import Absence
from gateway_edge.caching.near import NearCache
from gateway_edge.caching.storing import MOST, Storing, find_replica
from runestone.cache.v1.cache_pb2 import StoreAllRequest, StoreAllResponse, WatchKeysResponse

ONE, OTHER = b"1" * 32, b"2" * 32


def name(key: bytes) -> int:
    return int.from_bytes(key[:8])


class FakeReplica:
    def __init__(self) -> None:
        self.letters: asyncio.Queue[WatchKeysResponse | Exception | None] = asyncio.Queue()
        self.stored: list[StoreAllRequest] = []
        self.streams = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def WatchKeys(self, request: Any) -> AsyncIterator[WatchKeysResponse]:
        self.streams += 1
        while (letter := await self.letters.get()) is not None:
            if isinstance(letter, Exception):
                raise letter
            yield letter

    async def StoreAll(self, request: StoreAllRequest) -> StoreAllResponse:
        await self.gate.wait()
        self.stored.append(request)
        return StoreAllResponse()


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture
async def heard() -> AsyncIterator[tuple[Absence, list[FakeReplica]]]:
    absence, replicas = Absence(), [FakeReplica(), FakeReplica()]

    async def follow() -> AsyncIterator[Any]:
        yield replicas
        await asyncio.Event().wait()

    task = asyncio.create_task(absence.run(follow()))
    yield absence, replicas
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_nothing_is_sure_until_every_replica_has_named_all(heard):
    absence, (one, other) = heard
    one.letters.put_nowait(WatchKeysResponse(keys=[name(ONE)], complete=True))
    other.letters.put_nowait(WatchKeysResponse(complete=False))
    await until(lambda: other.letters.empty() and one.letters.empty())
    assert not absence.is_sure(OTHER)
    other.letters.put_nowait(WatchKeysResponse(complete=True))
    await until(lambda: absence.is_sure(OTHER))
    assert not absence.is_sure(ONE)
    absence.note(OTHER)
    assert not absence.is_sure(OTHER)


@pytest.mark.parametrize(
    "end", [None, RunestoneError(Reason.UNAVAILABLE, "gone"), RunestoneError(Reason.UNIMPLEMENTED, "no")]
)
async def test_nothing_is_sure_once_a_replica_is_not_heard(heard, end):
    absence, replicas = heard
    for replica in replicas:
        replica.letters.put_nowait(WatchKeysResponse(complete=True))
    await until(lambda: absence.is_sure(ONE))
    replicas[0].letters.put_nowait(end)
    await until(lambda: not absence.is_sure(ONE))


async def test_names_of_an_earlier_stream_are_not_held_against_a_key_for_ever(heard):
    absence, (one, other) = heard
    other.letters.put_nowait(WatchKeysResponse(complete=True))
    one.letters.put_nowait(WatchKeysResponse(keys=[name(ONE)], complete=True))
    await until(lambda: absence.is_sure(OTHER))
    one.letters.put_nowait(None)
    one.letters.put_nowait(WatchKeysResponse(complete=True))
    await until(lambda: one.streams == 2 and absence.is_sure(ONE))


@pytest.fixture
def storing(spawn) -> tuple[Storing, FakeReplica, NearCache]:
    replica, near = FakeReplica(), NearCache(1 << 20, FakeClock(), longest_call=600)
    return Storing(lambda: {"one": replica}, near, spawn, on_failure=lambda _: None), replica, near


async def test_answers_go_together_and_are_found_on_their_way(storing):
    answers, replica, _ = storing
    replica.gate.clear()
    for key in (ONE, OTHER):
        request = answers.open(key)
        request.answer.body = key
    assert answers.find(ONE).body == ONE
    await until(lambda: answers._sending)
    assert answers.find(OTHER).body == OTHER
    replica.gate.set()
    await until(lambda: replica.stored)
    assert [store.fingerprint for store in replica.stored[0].stores] == [ONE, OTHER]
    await until(lambda: answers.find(ONE) is None)


async def test_what_is_on_its_way_is_bounded(storing):
    answers, replica, _ = storing
    replica.gate.clear()
    taken = [answers.open(number.to_bytes(32)) for number in range(MOST + 5)]
    assert taken.count(None) == 5
    replica.gate.set()


async def test_a_replica_that_fails_loses_its_answers_and_says_so(spawn):
    failures: list[RunestoneError] = []

    class Failing:
        async def StoreAll(self, request: StoreAllRequest) -> StoreAllResponse:
            raise RunestoneError(Reason.UNAVAILABLE, "down")

    answers = Storing(
        lambda: {"one": Failing()}, NearCache(1, FakeClock(), longest_call=600), spawn, on_failure=failures.append
    )
    answers.open(ONE)
    await until(lambda: failures and answers.find(ONE) is None)


def test_answers_go_where_they_are_looked_for():
    """As `chassis.replicas` chooses; alike for the order of the addresses."""
    addresses = ["a:1", "b:1", "c:1"]
    chosen = {find_replica(bytes([number]) * 32, addresses) for number in range(64)}
    assert chosen == set(addresses)
    assert all(
        find_replica(bytes([n]) * 32, addresses) == find_replica(bytes([n]) * 32, addresses[::-1]) for n in range(64)
    )
