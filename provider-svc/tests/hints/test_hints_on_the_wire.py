"""How hints are told and heard while cache-svc is well, slow to come, gone, or too old to know of them."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import structlog.testing
from google.protobuf.duration_pb2 import Duration

from chassis.errors import Reason, RunestoneError
from chassis.logs import get_logger
from provider_svc.hints import listening, telling
from provider_svc.hints.listening import SILENCE, Listeners
from provider_svc.hints.target_key import write_key
from provider_svc.hints.telling import Teller
from runestone.hint.v1.hint_pb2 import Hint, TellResponse, WatchResponse

PATIENT = 20.0  # seconds
GPT = ("openai", "gpt")
DOWN = RunestoneError(Reason.UNAVAILABLE, "nobody is there")
HINT = Hint(key=write_key(*GPT), sender="other", ttl=Duration(seconds=30))


class FakeCache:
    """Each rpc goes as the next of its `turns` says; when there are no more, a Tell is taken and a Watch stays quiet."""

    def __init__(self, *turns):
        self.turns = list(turns)
        self.told = []
        self.asked = 0
        self.left = 0

    async def Tell(self, request):
        self.asked += 1
        if self.turns:
            raise self.turns.pop(0)
        self.told.append(request)
        return TellResponse()

    async def Watch(self, request):
        assert request.topic == "breaker"
        self.asked += 1
        turn = self.turns.pop(0) if self.turns else "quiet"
        if isinstance(turn, RunestoneError):
            raise turn
        yield WatchResponse(hints=[HINT] if turn == "hint" else [])
        if turn == "quiet":
            try:
                await asyncio.Event().wait()
            finally:
                self.left += 1


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """No pause between tries."""
    for module in (telling, listening):
        monkeypatch.setattr(module, "SHORTEST_PAUSE", 0.0)


@asynccontextmanager
async def doing(work):
    task = asyncio.create_task(work)
    try:
        async with asyncio.timeout(PATIENT):
            yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds):
    while not holds():
        await asyncio.sleep(0)


def teller(hints, cache, clock, counts):
    return Teller(hints, cache, clock, counts).run()


async def list_of(*replicas):
    for one in replicas:
        yield one
    await asyncio.Event().wait()


def listening_to(hints, clock, *replicas):
    return Listeners(hints.hear, clock, get_logger("provider")).run(list_of(*replicas))


async def test_openings_are_told_with_what_is_left_of_their_time(hints, clock, counts, count):
    cache = FakeCache()
    hints.tell(*GPT, 10.0)
    clock.advance(4)
    async with doing(teller(hints, cache, clock, counts)):
        await until(lambda: count("told") == 1)
        hints.tell("openai", "later", 10.0)
        await until(lambda: count("told") == 2)
    first, second = cache.told
    assert (first.topic, first.key, first.sender, first.ttl) == ("breaker", write_key(*GPT), "me", Duration(seconds=6))
    assert second.ttl == Duration(seconds=10)
    assert len(hints.outbox) == 0


async def test_what_cannot_be_told_now_is_told_again(hints, clock, counts, count):
    cache = FakeCache(DOWN, DOWN)
    hints.tell(*GPT, 10.0)
    async with doing(teller(hints, cache, clock, counts)):
        await until(lambda: count("told") == 1)
    assert (cache.asked, count("dropped")) == (3, 0)


async def test_what_is_over_is_dropped_without_asking(hints, clock, counts, count):
    cache = FakeCache()
    hints.tell(*GPT, 10.0)
    clock.advance(10)
    async with doing(teller(hints, cache, clock, counts)):
        await until(lambda: count("dropped") == 1)
    assert (cache.asked, len(hints.outbox)) == (0, 0)


@pytest.mark.parametrize("reason", [Reason.INVALID_REQUEST, Reason.UNIMPLEMENTED])
async def test_what_cache_svc_will_never_take_is_dropped(hints, clock, counts, count, reason):
    cache = FakeCache(RunestoneError(reason, "no"))
    hints.tell(*GPT, 10.0)
    async with doing(teller(hints, cache, clock, counts)):
        await until(lambda: count("dropped") == 1)
    assert cache.asked == 1


async def test_a_watch_is_begun_again_when_it_ends_or_fails(hints, book, clock):
    cache = FakeCache("end", DOWN, "hint")
    async with doing(listening_to(hints, clock, {"a": cache})):
        await until(lambda: book.find(*GPT).until)
        await until(lambda: cache.asked == 4)


async def test_a_cache_svc_without_hints_is_not_asked_again_at_once(hints, clock):
    """One of an earlier version, in a rolling update: a minute later it is another."""
    cache = FakeCache(RunestoneError(Reason.UNIMPLEMENTED, "what hints?"))
    async with doing(listening_to(hints, clock, {"a": cache})):
        await until(lambda: cache.asked == 1)
        for _ in range(100):
            await asyncio.sleep(0)
    assert cache.asked == 1


async def test_every_replica_is_heard_and_one_that_goes_is_left(hints, clock):
    first, second = FakeCache(), FakeCache()
    replicas = asyncio.Queue()

    async def changes():
        while True:
            yield await replicas.get()

    async with doing(Listeners(hints.hear, clock, get_logger("provider")).run(changes())):
        replicas.put_nowait({"a": first, "b": second})
        await until(lambda: first.asked == second.asked == 1)
        replicas.put_nowait({"b": second})
        await until(lambda: first.left == 1)
        assert second.left == 0
        replicas.put_nowait({"a": first, "b": second})
        await until(lambda: first.asked == 2)
    assert (first.left, second.left, second.asked) == (2, 1, 1)


async def test_a_long_outage_is_said_once_and_so_is_its_end(hints, clock):
    cache = FakeCache(*[DOWN] * 50, "quiet")
    with structlog.testing.capture_logs() as lines:
        async with doing(listening_to(hints, clock, {"a": cache})):
            await until(lambda: cache.asked > 10)
            assert lines == []
            clock.advance(SILENCE + 1)
            await until(lambda: len(lines) == 2)
    assert [(line["event"], line["address"]) for line in lines] == [
        ("openings of breakers are not shared", "a"),
        ("openings of breakers are shared again", "a"),
    ]


async def test_an_outage_that_is_shorter_is_not_worth_a_line(hints, clock):
    cache = FakeCache(DOWN, "end", DOWN)
    with structlog.testing.capture_logs() as lines:
        async with doing(listening_to(hints, clock, {"a": cache})):
            await until(lambda: cache.asked == 4)
    assert lines == []
