"""The cache's part of a call: what is looked up, what is stored, and what happens without cache-svc."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from chassis.breaker import Breaker
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from gateway_edge.call import Call
from gateway_edge.middleware.cache import MAX_ANSWER, Cache
from runestone.cache.v1.cache_pb2 import LookUpRequest, LookUpResponse, Miss, StoreRequest, StoreResponse


class FakeCache:
    """cache-svc as a dict; `is_down` makes it fail."""

    def __init__(self) -> None:
        self.answers: dict[bytes, StoreRequest] = {}
        self.is_down = False
        self.lookups = 0

    async def LookUp(self, request: LookUpRequest, *, metadata: Any) -> LookUpResponse:
        self.lookups += 1
        self._fail_if_down()
        kept = self.answers.get(request.fingerprint)
        return LookUpResponse(hit=kept.answer) if kept else LookUpResponse(miss=Miss())

    async def Store(self, request: StoreRequest, *, metadata: Any) -> StoreResponse:
        self._fail_if_down()
        self.answers[request.fingerprint] = request
        return StoreResponse(stored=True)

    def _fail_if_down(self) -> None:
        if self.is_down:
            raise RunestoneError(Reason.UNAVAILABLE, "down")


class Background:
    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def settle(self) -> None:
        await asyncio.gather(*self._tasks)


@pytest.fixture
def fake_cache() -> FakeCache:
    return FakeCache()


@pytest.fixture
def background() -> Background:
    return Background()


@pytest.fixture
def cache(fake_cache: FakeCache, background: Background, clock: FakeClock) -> Cache:
    return Cache(fake_cache, Breaker(clock=clock), clock, background.spawn)


async def test_the_second_asker_gets_the_bytes_of_the_first(
    cache: Cache, background: Background, make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    answer = answering(b"data: 1\n\n", b"data: [DONE]\n\n")
    body = b'{"model":"simulated","messages":[{"role":"user","content":"x"}],"temperature":0,"stream":true}'
    first, second = make_call(body), make_call(body)
    await cache(first, answer)
    await background.settle()
    await cache(second, answer)
    assert answer.asked == 1
    assert (first.reply.headers["x-cache"], second.reply.headers["x-cache"]) == ("MISS", "HIT")
    assert second.reply.body == first.reply.body
    assert second.reply.is_closed and second.outcome.is_complete


async def test_another_tenant_misses(
    cache: Cache, background: Background, make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    answer = answering(b"{}")
    await cache(make_call(tenant="acme"), answer)
    await background.settle()
    other = make_call(tenant="other")
    await cache(other, answer)
    assert other.reply.headers["x-cache"] == "MISS" and answer.asked == 2


async def test_an_answer_that_is_not_whole_is_never_stored(
    cache: Cache,
    fake_cache: FakeCache,
    background: Background,
    make_call: Callable[..., Call],
    answering: Callable[..., Any],
) -> None:
    cut = answering(b"data: 1\n\n", error=RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut"))
    with pytest.raises(RunestoneError):
        await cache(make_call(), cut)
    await cache(make_call(), answering(b"data: 1\n\n", is_complete=False))
    await background.settle()
    assert fake_cache.answers == {}


async def test_an_answer_above_the_bound_passes_but_is_not_stored(
    cache: Cache,
    fake_cache: FakeCache,
    background: Background,
    make_call: Callable[..., Call],
    answering: Callable[..., Any],
) -> None:
    call = make_call()
    await cache(call, answering(b"x" * MAX_ANSWER, b"y"))
    await background.settle()
    assert call.reply.bytes_sent == MAX_ANSWER + 1 and fake_cache.answers == {}


async def test_without_cache_svc_calls_are_answered_and_marked(
    cache: Cache, fake_cache: FakeCache, make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    """After five failures it is not even asked."""
    fake_cache.is_down = True
    answer = answering(b"{}")
    for _ in range(8):
        call = make_call()
        await cache(call, answer)
        assert call.reply.headers["x-cache"] == "BYPASS"
    assert answer.asked == 8 and fake_cache.lookups == 5


@pytest.mark.parametrize(
    ("body", "headers", "outcome", "lookups"),
    [
        (b'{"model":"simulated","messages":[{"role":"user","content":"x"}]}', {}, "BYPASS", 0),
        (b'{"model":"simulated","messages":[{"role":"user","content":"x"}],"temperature":0.5}', {}, "BYPASS", 0),
        (b'{"model":"simulated","messages":[{"role":"user","content":"x"}],"seed":7}', {}, "MISS", 1),
        (b'{"model":"simulated","messages":[{"role":"user","content":"x"}],"seed":7,"store":false}', {}, "BYPASS", 0),
        (
            b'{"model":"simulated","messages":[{"role":"user","content":"x"}],"seed":7}',
            {"cache-control": "no-store"},
            "BYPASS",
            0,
        ),
        (
            b'{"model":"simulated","messages":[{"role":"user","content":"x"}],"seed":7}',
            {"cache-control": "No-Cache"},
            "REFRESH",
            0,
        ),
    ],
    ids=["not deterministic", "temperature", "seed", "store false", "no-store", "no-cache"],
)
async def test_what_is_looked_up(
    cache: Cache, fake_cache: FakeCache, background: Background, make_call: Callable[..., Call], answering: Callable[..., Any],
    body: bytes, headers: dict[str, str], outcome: str, lookups: int,
) -> None:  # fmt: skip
    call = make_call(body, headers=headers)
    await cache(call, answering(b"{}"))
    await background.settle()
    assert (call.reply.headers["x-cache"], fake_cache.lookups) == (outcome, lookups)
    assert len(fake_cache.answers) == (0 if outcome == "BYPASS" else 1)


async def test_what_is_only_wanted_from_the_cache_never_reaches_the_provider(
    cache: Cache, background: Background, make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    answer = answering(b"{}")
    with pytest.raises(RunestoneError) as refusal:
        await cache(make_call(headers={"cache-control": "only-if-cached"}), answer)
    assert (refusal.value.reason, refusal.value.code, answer.asked) == (Reason.DEADLINE_EXCEEDED, "not_cached", 0)
    await cache(make_call(), answer)
    await background.settle()
    hit = make_call(headers={"cache-control": "only-if-cached"})
    await cache(hit, answer)
    assert hit.reply.headers["x-cache"] == "HIT"


@pytest.mark.parametrize(
    ("oldest", "outcome"),
    [("0", "REFRESH"), ("29", "REFRESH"), ("30", "HIT"), ("word", "HIT"), ("\u00b2", "HIT"), ("\u0663", "HIT")],
)
async def test_an_answer_older_than_the_client_takes_is_asked_for_anew(
    cache: Cache, fake_cache: FakeCache, background: Background, make_call: Callable[..., Call], answering: Callable[..., Any],
    clock: FakeClock, oldest: str, outcome: str,
) -> None:  # fmt: skip
    await cache(make_call(), answering(b"{}"))
    await background.settle()
    for kept in fake_cache.answers.values():
        kept.answer.stored_at.FromMicroseconds(int((clock.time() - 30) * 1e6))
    call = make_call(headers={"cache-control": f"max-age={oldest}"})
    await cache(call, answering(b"{}"))
    assert call.reply.headers["x-cache"] == outcome
