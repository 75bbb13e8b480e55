"""The cache's part of a call: what is looked up, what is kept, and what happens without cache-svc."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import orjson
import pytest

from chassis.breaker import Breaker
from chassis.config import Route
from chassis.config.models import Target
from chassis.config.pipelines import CacheOptions
from chassis.config.schema import Cache as CacheSettings
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from chassis.routing.resolution import Resolution, Step
from chassis.testing import FakeClock
from gateway_edge.caching.absence import Absence
from gateway_edge.caching.controls import Controls
from gateway_edge.caching.near import NearCache
from gateway_edge.caching.revalidation import Revalidation
from gateway_edge.caching.shelf import Shelf
from gateway_edge.caching.storing import Storing
from gateway_edge.caching.uses import Uses
from gateway_edge.call import Call, Outcome
from gateway_edge.callers.tenants import Principal
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.middleware.cache import Cache
from runestone.cache.v1.cache_pb2 import (
    LookUpRequest,
    LookUpResponse,
    Mark,
    Miss,
    NoteUseRequest,
    NoteUseResponse,
    StoreAllRequest,
    StoreAllResponse,
    StoreRequest,
    StoreResponse,
)
from runestone.common.v1.attempt_pb2 import Attempt
from runestone.common.v1.cost_pb2 import Cost

MARK = Mark(epoch="e", version=7)


class FakeCache:
    """cache-svc as a dict; `is_down` makes it fail."""

    def __init__(self) -> None:
        self.answers: dict[bytes, StoreRequest] = {}
        self.is_down = False
        self.lookups = 0
        self.told: list[NoteUseRequest] = []

    async def LookUp(self, request: LookUpRequest, *, metadata: Any) -> LookUpResponse:
        self.lookups += 1
        self._fail_if_down()
        kept = self.answers.get(request.fingerprint)
        if kept is None:
            return LookUpResponse(miss=Miss())
        return LookUpResponse(hit=kept.answer, mark=MARK, may_copy=True)

    async def StoreAll(self, request: StoreAllRequest) -> StoreAllResponse:
        self._fail_if_down()
        self.answers |= {store.fingerprint: store for store in request.stores}
        return StoreAllResponse(results=[StoreResponse(stored=True, mark=MARK, may_copy=True) for _ in request.stores])

    async def NoteUse(self, request: NoteUseRequest) -> NoteUseResponse:
        self.told.append(request)
        return NoteUseResponse()

    def _fail_if_down(self) -> None:
        if self.is_down:
            raise RunestoneError(Reason.UNAVAILABLE, "down")


class Answering:
    """A `proceed` that answers as the provider would, in the form that is asked for, and counts how often it was asked."""

    def __init__(
        self, *parts: bytes, is_complete: bool = True, error: Exception | None = None, finish_reason: str = "stop"
    ) -> None:
        self.parts, self.is_complete, self.error = parts, is_complete, error
        self.finish_reason = finish_reason
        self.asked = 0

    async def __call__(self, call: Call) -> None:
        self.asked += 1
        for part in self.parts if call.asked.is_stream else ():
            await call.reply.write(part)
        if self.error is not None:
            raise self.error
        outcome = call.outcome
        outcome.is_complete, outcome.finish_reason = self.is_complete, self.finish_reason
        outcome.attempts, outcome.provider, outcome.provider_model = 1, "sim", "simulated"
        if not call.asked.is_stream:
            await call.reply.send(b"".join(self.parts))
        elif self.is_complete:
            await call.reply.close()


@pytest.fixture
def answering() -> type[Answering]:
    return Answering


class Background:
    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def settle(self) -> None:
        await asyncio.gather(*self._tasks)


class FakeAsker:
    """Remembers what it was to ask."""

    def __init__(self) -> None:
        self.asked: list[tuple[Principal, bytes, Mapping[str, str]]] = []

    async def make(self, principal: Principal, body: bytes, *, headers: Mapping[str, str], of: Call | None) -> Outcome:
        self.asked.append((principal, body, headers))
        await asyncio.sleep(0)
        return Outcome()


@pytest.fixture
def fake_cache() -> FakeCache:
    return FakeCache()


@pytest.fixture
def background() -> Background:
    return Background()


@pytest.fixture
def asker() -> FakeAsker:
    return FakeAsker()


@pytest.fixture
def near(clock: FakeClock) -> NearCache:
    return NearCache(1 << 20, clock, longest_call=600)


@pytest.fixture
def make_cache(
    fake_cache: FakeCache, background: Background, clock: FakeClock, asker: FakeAsker, near: NearCache
) -> Callable[..., Cache]:
    breaker = Breaker(clock=clock)
    storing = Storing(lambda: {"one": fake_cache}, near, background.spawn, on_failure=lambda _: breaker.failed())
    shelf = Shelf(fake_cache, near, Absence(), storing, breaker=breaker, clock=clock)
    uses = Uses(fake_cache, Metrics())

    def make(*, is_enabled: bool = True, **options: Any) -> Cache:
        revalidation = Revalidation(asker, background.spawn)
        settings = CacheSettings(enabled=is_enabled)
        return Cache(shelf, clock, uses, revalidation, options=CacheOptions(**options), settings=settings)

    return make


@pytest.fixture
def cache(make_cache: Callable[..., Cache]) -> Cache:
    return make_cache()


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


@pytest.mark.parametrize("cost", [Cost(nano_usd=123), None])
async def test_a_hit_costs_nothing_and_knows_what_the_first_answer_cost(
    cache: Cache, background: Background, make_call: Callable[..., Call], cost: Cost | None
) -> None:
    """No provider is paid for it, whether or not the first price was known."""

    async def ask(call: Call) -> None:
        outcome = call.outcome
        outcome.cost, outcome.is_complete, outcome.finish_reason = cost, True, "stop"
        outcome.attempts, outcome.provider, outcome.provider_model = 1, "sim", "simulated"
        await call.reply.send(b"{}")

    first, second = make_call(), make_call()
    await cache(first, ask)
    await background.settle()
    await cache(second, ask)
    assert second.outcome.cost == cost
    assert not second.outcome.is_billed
    assert second.reply.headers["x-runestone-cost"] == second.reply.headers["x-litellm-response-cost"] == "0"


@pytest.mark.parametrize(("bill", "is_billed"), [([], False), (["coalesced"], True)])
async def test_what_a_shared_call_used_is_anothers_also_when_it_fails(
    make_cache: Callable[..., Cache], make_call: Callable[..., Call], bill: list[str], is_billed: bool
) -> None:
    async def share(call: Call) -> None:
        call.outcome.cache, call.outcome.cost = "COALESCED", Cost(nano_usd=9)
        raise RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut")

    call = make_call()
    with pytest.raises(RunestoneError):
        await make_cache(bill=bill)(call, share)
    assert call.outcome.is_billed == is_billed


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
    make_cache: Callable[..., Cache],
    fake_cache: FakeCache,
    background: Background,
    make_call: Callable[..., Call],
    answering: Callable[..., Any],
) -> None:
    call = make_call()
    await make_cache(max_answer=1000)(call, answering(b"x" * 1000, b"y"))
    await background.settle()
    assert call.reply.bytes_sent == 1001 and fake_cache.answers == {}


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


STREAM = b'{"model":"simulated","messages":[{"role":"user","content":"x"}],"temperature":0,"stream":true}'
WARM = b'{"model":"simulated","messages":[{"role":"user","content":"x"}],"temperature":0.7}'
FAILED_TOOL = (
    b'{"model":"simulated","temperature":0,"messages":['
    b'{"role":"user","content":[{"type":"tool_result","is_error":true,"content":"no"}]}]}'
)


class Asking:
    """Calls through a cache, one after the other."""

    def __init__(self, make_call: Callable[..., Call], background: Background) -> None:
        self._make_call = make_call
        self._background = background

    async def __call__(self, cache: Cache, answer: Any, *arguments: Any, **changes: Any) -> Call:
        call = self._make_call(*arguments, **changes)
        try:
            await cache(call, answer)
        finally:
            await self._background.settle()
        return call


@pytest.fixture
def ask(make_call: Callable[..., Call], background: Background) -> Asking:
    return Asking(make_call, background)


def outcome_of(call: Call) -> str:
    return str(call.reply.headers["x-cache"])


@pytest.mark.parametrize("reason", ["length", "content_filter", "", "error"])
async def test_what_did_not_end_by_itself_is_not_kept(ask, cache, fake_cache, answering, reason):
    await ask(cache, answering(b"{}", finish_reason=reason))
    assert fake_cache.answers == {}


async def test_a_stream_that_others_went_on_with_is_not_kept(ask, cache, fake_cache, answering):
    """Half of it is another model's."""

    async def answer(call: Call) -> None:
        call.outcome.parts = (Attempt(provider="sim", model="simulated"), Attempt(provider="sim", model="simulated"))
        await answering(b"{}")(call)

    await ask(cache, answer)
    assert fake_cache.answers == {}


async def test_an_arms_answer_is_not_another_arms_and_a_hit_names_its_route(ask, cache, make_call, answering):
    """The same bytes under two routes have two keys."""

    def led(name: str, target: str) -> Call:
        call = make_call()
        route = Route(name, (Target(provider="sim", model=target),))
        call.asked.lead(Resolution(call.asked.route, route, name, (Step(of="simulated", use=name, arm=name),)))
        return call

    first, other, again = led("a", "simulated"), led("b", "simulated"), led("a", "simulated")
    await cache(first, answering(b'"a"'))
    await cache(other, answering(b'"b"'))
    await cache(again, answering(b'"never"'))
    assert (other.reply.body, again.reply.body, again.outcome.cache) == (b'"b"', b'"a"', "HIT")
    assert again.reply.headers["x-runestone-route"] == again.outcome.route == "a"


async def test_the_answer_of_another_target_is_not_kept_under_the_routes_key(ask, cache, fake_cache):
    """A fallback's answer is not what the route promises."""

    async def answer(call: Call) -> None:
        call.outcome.is_complete, call.outcome.finish_reason = True, "stop"
        call.outcome.provider, call.outcome.provider_model = "other", "simulated"
        call.outcome.route = "spare"
        await call.reply.send(b"{}")

    await ask(cache, answer)
    assert fake_cache.answers == {}


async def test_an_answer_to_a_failed_tool_is_not_kept(ask, cache, fake_cache, answering):
    await ask(cache, answering(b"{}"), FAILED_TOOL)
    assert fake_cache.answers == {}
    await ask(cache, answering(b"{}"), FAILED_TOOL.replace(b"true", b"false"))
    assert len(fake_cache.answers) == 1


@pytest.mark.parametrize(
    ("options", "headers", "outcome"),
    [
        ({"models": ("gpt-*",)}, {}, "BYPASS"),
        ({"tenants": ("other",)}, {}, "BYPASS"),
        ({"only_tags": ("keep",)}, {}, "BYPASS"),
        ({"only_tags": ("keep",)}, {"x-runestone-tags": "a, keep"}, "MISS"),
        ({"unless_tags": ("private",)}, {"x-runestone-tags": "private"}, "BYPASS"),
        ({"unless_tags": ("private",)}, {}, "MISS"),
        ({"is_enabled": False}, {}, "BYPASS"),
    ],
)
async def test_rules_of_a_pipeline(ask, make_cache, fake_cache, answering, options, headers, outcome):
    call = await ask(make_cache(**options), answering(b"{}"), headers=headers)
    assert outcome_of(call) == outcome
    assert len(fake_cache.answers) == (outcome == "MISS")


async def test_labels_are_kept_with_an_answer(ask, cache, fake_cache, answering):
    await ask(cache, answering(b"{}"), headers={"x-runestone-tags": "b,a,b"})
    (kept,) = fake_cache.answers.values()
    labels = kept.answer.labels
    assert (labels.tenant, labels.model, list(labels.tags)) == ("acme", "simulated", ["b", "a"])


@pytest.mark.parametrize("tags", ["x" * 65, ",".join(map(str, range(17))), "a b"])
async def test_tags_that_are_none_are_refused(ask, cache, answering, tags):
    with pytest.raises(RunestoneError) as refusal:
        await ask(cache, answering(b"{}"), headers={"x-runestone-tags": tags})
    assert refusal.value.code == "invalid_tags"


@pytest.mark.parametrize(
    ("scope", "shared"), [("tenant", (True, False)), ("key", (False, False)), ("global", (True, True))]
)
async def test_who_shares_an_answer(ask, make_cache, answering, make_call, background, scope, shared):
    """By scope: another key of the tenant, another tenant."""
    cache, answer = make_cache(scope=scope), answering(b"{}")
    await ask(cache, answer)
    seen = []
    for tenant, key in (("acme", "other"), ("rival", "ci")):
        call = make_call()
        call.principal = Principal(tenant=tenant, key=key)
        await cache(call, answer)
        await background.settle()
        seen.append(outcome_of(call) == "HIT")
    assert tuple(seen) == shared


async def test_variants_are_given_in_turn(ask, make_cache, answering):
    cache = make_cache(when="always", variants=2)
    bodies = [b'{"n":1}', b'{"n":2}']
    first = [await ask(cache, answering(body), WARM) for body in bodies]
    later = [await ask(cache, answering(b"never"), WARM) for _ in range(4)]
    assert [outcome_of(call) for call in first + later] == ["MISS"] * 2 + ["HIT"] * 4
    assert [call.reply.body for call in later] == bodies * 2
    keys = {call.reply.headers["x-cache-key"] for call in first}
    assert len(keys) == 2 and len({key[:62] for key in keys}) == 1, "31 bytes name all variants"


async def test_a_question_without_temperature_has_one_variant(ask, make_cache, answering):
    cache = make_cache(variants=3)
    calls = [await ask(cache, answering(b"{}")) for _ in range(3)]
    assert [outcome_of(call) for call in calls] == ["MISS", "HIT", "HIT"]


async def test_a_stale_answer_is_given_while_it_is_asked_anew(ask, make_cache, answering, clock, asker):
    cache = make_cache(ttl=10.0, stale_while_revalidate=20.0)
    await ask(cache, answering(b"{}"))
    clock.advance(15)
    stale = await ask(cache, answering(b"never"), headers={"authorization": "Bearer x", "x-y": "z"})
    assert (outcome_of(stale), stale.reply.headers["age"]) == ("HIT", "15")
    assert "detail=stale" in stale.reply.headers["cache-status"] and "ttl=-5" in stale.reply.headers["cache-status"]
    ((principal, body, headers),) = asker.asked
    assert principal.tenant == "acme" and b"simulated" in body
    assert headers == {"x-y": "z", "cache-control": "no-cache"}
    clock.advance(16)
    assert outcome_of(await ask(cache, answering(b"{}"))) != "HIT"


async def test_a_stale_answer_stands_in_for_a_failed_one(ask, make_cache, answering, clock):
    cache = make_cache(ttl=10.0, stale_if_error=60.0)
    await ask(cache, answering(b'{"a":1}'))
    clock.advance(30)
    failing = answering(error=RunestoneError(Reason.PROVIDER_FAILED, "no"))
    spared = await ask(cache, failing)
    assert failing.asked == 1, "asked first"
    assert (outcome_of(spared), spared.reply.body, spared.outcome.is_complete) == ("HIT", b'{"a":1}', True)
    with pytest.raises(RunestoneError):
        await ask(cache, answering(error=RunestoneError(Reason.PROVIDER_REFUSED, "bad question", upstream_status=400)))
    clock.advance(60)
    with pytest.raises(RunestoneError):
        await ask(cache, failing)


async def test_what_a_client_has_seen_is_not_begun_anew_from_a_stale_answer(ask, make_cache, answering, clock):
    cache = make_cache(ttl=10.0, stale_if_error=60.0)
    await ask(cache, answering(b"data: 1\n\n"), STREAM)
    clock.advance(30)
    with pytest.raises(RunestoneError):
        await ask(cache, answering(b"data: 2\n\n", error=RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut")), STREAM)


@pytest.mark.parametrize(
    ("control", "outcome"), [("max-stale", "HIT"), ("max-stale=5", "HIT"), ("max-stale=4", "REFRESH")]
)
async def test_a_client_may_take_stale_answers(ask, make_cache, answering, clock, control, outcome):
    cache = make_cache(ttl=10.0, stale_if_error=60.0)
    await ask(cache, answering(b"{}"))
    clock.advance(15)
    call = await ask(cache, answering(b"{}"), headers={"cache-control": control})
    assert outcome_of(call) == ("HIT" if outcome == "HIT" else "MISS")


async def test_refusals_are_kept_where_that_is_asked_for(ask, make_cache, answering, clock):
    refusing = answering(error=RunestoneError(Reason.PROVIDER_REFUSED, "no such model", code="x", upstream_status=404))
    for ttl, asked in ((0.0, 2), (30.0, 1)):
        cache, refusing.asked = make_cache(negative_ttl=ttl), 0
        for _ in range(2):
            with pytest.raises(RunestoneError) as refusal:
                await ask(cache, refusing)
            assert (refusal.value.code, refusal.value.upstream_status) == ("x", 404)
        assert refusing.asked == asked
    clock.advance(31)
    with pytest.raises(RunestoneError):
        await ask(cache, refusing)
    assert refusing.asked == 2


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_other_refusals_are_never_kept(ask, make_cache, fake_cache, answering, status):
    with pytest.raises(RunestoneError):
        await ask(
            make_cache(negative_ttl=30.0),
            answering(error=RunestoneError(Reason.PROVIDER_REFUSED, "no", upstream_status=status)),
        )
    assert fake_cache.answers == {}


async def test_a_hit_costs_no_rpc_once_there_is_a_copy(ask, cache, near, fake_cache, answering):
    near.begin(MARK, before="")
    near.is_live = True
    """The first hit brings it: most answers are never asked for again."""
    await ask(cache, answering(b"{}"))
    assert len(near) == 0
    hits = [await ask(cache, answering(b"never")) for _ in range(3)]
    assert {outcome_of(hit) for hit in hits} == {"HIT"} and fake_cache.lookups == 2
    near.is_live = False
    assert outcome_of(await ask(cache, answering(b"never"))) == "HIT" and fake_cache.lookups == 3


async def test_a_miss_that_is_known_here_is_told_and_one_that_cache_svc_knew_is_not(
    ask, make_cache, fake_cache, answering, monkeypatch
):
    cache = make_cache()
    await ask(cache, answering(b"{}"))
    monkeypatch.setattr(Absence, "is_sure", lambda _self, _key: True)
    await ask(cache, answering(b"{}"), WARM.replace(b"0.7", b"0.0"), tenant="rival")
    assert fake_cache.lookups == 1
    assert cache._uses._since_told == NoteUseRequest(near_misses=1)


async def test_who_gets_nothing_else_has_it_looked_for_where_there_is_surely_none(
    ask, make_cache, answering, monkeypatch
):
    """Another edge may have stored it a moment ago."""
    cache = make_cache()
    await ask(cache, answering(b"{}"))
    monkeypatch.setattr(Absence, "is_sure", lambda _self, _key: True)
    assert outcome_of(await ask(cache, answering(b"never"), headers={"cache-control": "only-if-cached"})) == "HIT"


async def test_calls_that_may_share_one_say_so(ask, make_cache, answering, make_call):
    """And no others: not one that wants a new answer, not one that is not kept, not one for whom an answer of two seconds ago, which
    may be shared, is too old."""
    seen = []

    class Look:
        async def __call__(self, call: Call) -> None:
            seen.append(call.coalesce_key)
            await answering(b"{}")(call)

    await ask(make_cache(), Look())
    await ask(make_cache(), Look(), headers={"cache-control": "no-cache"})
    await ask(make_cache(), Look(), headers={"cache-control": "no-store"})
    await ask(make_cache(coalesce=False), Look(), WARM)
    await ask(make_cache(), Look(), FAILED_TOOL)
    for controls in (Controls(ttl=0.0), Controls(ttl=1.0), Controls(max_age=1.0), Controls(max_age=60.0, ttl=60.0)):
        call = make_call(STREAM)
        call.asked.controls = controls
        await make_cache()(call, Look())
    assert [len(key) for key in seen] == [32, 0, 0, 0, 0, 0, 0, 0, 32]


async def test_calls_share_one_when_what_was_kept_is_over(ask, make_cache, near, fake_cache, answering, clock):
    """The moment at which many miss at once: what everybody asks for is over everywhere."""
    near.begin(MARK, before="")
    near.is_live = True
    cache, seen = make_cache(ttl=10.0), []

    async def look(call: Call) -> None:
        seen.append(call.coalesce_key)
        await answering(b"{}")(call)

    await ask(cache, look)
    assert [outcome_of(await ask(cache, look)) for _ in range(2)] == ["HIT"] * 2 and len(near) == 1
    clock.advance(11)
    later = await ask(cache, look)
    assert outcome_of(later) == "MISS" and [len(key) for key in seen] == [32, 32]


@pytest.mark.parametrize(
    ("bill", "is_billed"), [((), (True, False, False)), (("hit", "coalesced"), (True, True, True))]
)
async def test_what_is_billed_is_the_pipelines_to_say(ask, make_cache, fake_cache, answering, bill, is_billed):
    """A miss, a hit, and an answer that somebody else asked for; who follows keeps nothing."""
    cache = make_cache(bill=bill)

    async def follow(call: Call) -> None:
        call.outcome.cache = "COALESCED"
        await answering(b"{}")(call)

    first = await ask(cache, answering(b"{}"))
    second = await ask(cache, answering(b"never"))
    third = await ask(cache, follow, headers={"x-runestone-tags": "other"}, tenant="rival")
    assert tuple(call.outcome.is_billed for call in (first, second, third)) == is_billed
    assert len(fake_cache.answers) == 1


async def test_who_follows_keeps_the_answer_when_it_falls_to_him(ask, make_cache, fake_cache, answering):
    async def follow(call: Call) -> None:
        call.outcome.cache, call.outcome.is_keeper = "COALESCED", True
        await answering(b"{}")(call)

    await ask(make_cache(), follow)
    assert len(fake_cache.answers) == 1


# Endpoints beside chat: an answer is found in the form that it was asked in, and kept where its kind is.

MESSAGES = {"model": "simulated", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
KINDS: dict[str, dict[str, Any]] = {
    "/v1/messages": MESSAGES,
    "/v1/responses": {"model": "simulated", "input": "hi", "temperature": 0},
    "/v1/completions": {"model": "simulated", "prompt": "hi", "seed": 1},
    "/v1/embeddings": {"model": "simulated", "input": "hi"},
    "/v1/moderations": {"model": "simulated", "input": "hi"},
    "/v1/rerank": {"model": "simulated", "query": "q", "documents": ["d"]},
    "/v1/messages/count_tokens": {"model": "simulated", "messages": MESSAGES["messages"]},
}
EVENTS = b'event: a\ndata: {"type":"a"}\n\n', b'event: b\ndata: {"type":"b"}\n\n'

Ask = Callable[..., Any]


@pytest.fixture
def ask_at(make_cache: Callable[..., Cache], background: Background, make_call: Callable[..., Call]) -> Ask:
    """Asks at an endpoint, and returns when what is kept of it is kept."""
    caches: dict[str, Cache] = {}

    async def go(path: str, answer: Any, *, when: str = "deterministic", headers: Any = None, **members: Any) -> Call:
        cache = caches.setdefault(when, make_cache(when=when))
        body = orjson.dumps({**KINDS.get(path, {"model": "simulated"}), **members})
        call = make_call(body, endpoint=ENDPOINTS[path], headers=headers)
        await cache(call, answer)
        await background.settle()
        return call

    return go


def outcomes(*calls: Call) -> list[str]:
    return [call.outcome.cache for call in calls]


@pytest.mark.parametrize("path", KINDS)
async def test_a_document_of_any_endpoint_is_given_to_who_asks_again(
    ask_at: Ask, answering: Callable[..., Any], path: str
) -> None:
    finish = "stop" if ENDPOINTS[path].tells_finish else ""
    answer = answering(b'{"answer": 1}', finish_reason=finish)
    first, second = await ask_at(path, answer), await ask_at(path, answer)
    assert outcomes(first, second) == ["MISS", "HIT"]
    assert (second.reply.body, second.reply.content_type) == (b'{"answer": 1}', "application/json")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses", "/v1/completions"])
async def test_a_stream_is_given_as_the_bytes_it_was_and_never_to_who_wants_a_document(
    ask_at: Ask, answering: Callable[..., Any], path: str
) -> None:
    stream, document = answering(*EVENTS), answering(b"{}")
    first = await ask_at(path, stream, stream=True)
    other = await ask_at(path, document)
    again, other_again = await ask_at(path, stream, stream=True), await ask_at(path, document)
    assert outcomes(first, other, again, other_again) == ["MISS", "MISS", "HIT", "HIT"]
    assert again.reply.body == b"".join(EVENTS) and again.reply.is_closed
    assert other_again.reply.body == b"{}"


async def test_completions_with_usage_are_others_than_those_without(ask_at: Ask, answering: Callable[..., Any]) -> None:
    wishes = [{"stream": True, "stream_options": {"include_usage": wish}} for wish in (True, False)] * 2
    calls = [await ask_at("/v1/completions", answering(*EVENTS), **wish) for wish in wishes]
    assert outcomes(*calls) == ["MISS", "MISS", "HIT", "HIT"]


@pytest.mark.parametrize(
    ("path", "members"),
    [
        ("/v1/messages", {"temperature": 1}),
        ("/v1/responses", {"temperature": None}),
        ("/v1/responses", {"store": False}),
        ("/v1/responses", {"previous_response_id": "resp_1"}),
        ("/v1/responses", {"background": True}),
        ("/v1/images/generations", {"prompt": "a cat"}),
        ("/v1/audio/speech", {"input": "hi"}),
        ("/v1/audio/transcriptions", {}),
        ("/v1/images/edits", {}),
    ],
)
async def test_what_is_drawn_or_lives_at_the_provider_is_not_kept(
    ask_at: Ask, answering: Callable[..., Any], path: str, members: dict[str, Any]
) -> None:
    answer = answering(b"{}")
    calls = [await ask_at(path, answer, **members) for _ in range(2)]
    assert (outcomes(*calls), answer.asked) == (["BYPASS", "BYPASS"], 2)


async def test_sound_and_forms_are_kept_nowhere_whatever_is_configured(
    ask_at: Ask, fake_cache: FakeCache, answering: Callable[..., Any]
) -> None:
    for path in ("/v1/audio/speech", "/v1/audio/transcriptions", "/v1/audio/translations", "/v1/images/edits"):
        assert outcomes(await ask_at(path, answering(b"{}"), when="always")) == ["BYPASS"]
    assert outcomes(await ask_at("/v1/images/generations", answering(b"{}"), when="always")) == ["MISS"]
    assert len(fake_cache.answers) == 1


async def test_an_answer_of_another_kind_than_documents_and_events_is_not_kept(
    ask_at: Ask, fake_cache: FakeCache
) -> None:
    async def answer(call: Call) -> None:
        call.outcome.is_complete, call.outcome.provider, call.outcome.provider_model = True, "sim", "simulated"
        await call.reply.begin("text/plain")
        await call.reply.write(b"plain")
        await call.reply.close()

    call = await ask_at("/v1/embeddings", answer)
    assert call.reply.body == b"plain" and fake_cache.answers == {}


async def test_an_answer_that_stopped_short_is_not_kept_at_any_endpoint_that_says_so(
    ask_at: Ask, fake_cache: FakeCache, answering: Callable[..., Any]
) -> None:
    for path in KINDS:
        await ask_at(path, answering(b"{}", finish_reason="length"))
    kept = {path for path in KINDS if not ENDPOINTS[path].tells_finish}
    assert len(fake_cache.answers) == len(kept) == 4


async def test_the_same_body_at_another_endpoint_is_another_question(
    ask_at: Ask, answering: Callable[..., Any]
) -> None:
    calls = [
        await ask_at(path, answering(b"{}"), input="hi", prompt="hi", messages=MESSAGES["messages"], temperature=0)
        for path in ("/v1/messages", "/v1/responses", "/v1/chat/completions", "/v1/completions")
    ]
    assert outcomes(*calls) == ["MISS"] * 4


@pytest.mark.parametrize("member", ["metadata", "prompt_cache_key", "safety_identifier", "user"])
async def test_nobody_is_given_an_answer_that_says_who_else_asked(
    ask_at: Ask, answering: Callable[..., Any], member: str
) -> None:
    """Responses say these members again; other answers do not."""
    for path, outcome in (("/v1/responses", "MISS"), ("/v1/messages", "HIT")):
        said = [{"who": "alice"}, {"who": "bob"}] if member == "metadata" else ["alice", "bob"]
        calls = [await ask_at(path, answering(b"{}"), **{member: value}) for value in said]
        assert outcomes(*calls) == ["MISS", outcome]


async def test_headers_that_go_to_the_provider_are_part_of_the_question(
    ask_at: Ask, answering: Callable[..., Any]
) -> None:
    """A beta may answer otherwise. Those of another maker go nowhere, and mean nothing."""
    version = {"anthropic-version": "2023-06-01"}
    sent = [version, {**version, "anthropic-beta": "x"}, {**version, "openai-beta": "x"}, {}]
    calls = [await ask_at("/v1/messages", answering(b"{}"), headers=headers) for headers in sent]
    assert outcomes(*calls) == ["MISS", "MISS", "HIT", "MISS"]


async def test_who_is_given_a_kept_answer_is_told_what_was_dropped(ask_at: Ask, answering: Callable[..., Any]) -> None:
    class Dropping(answering):  # type: ignore[misc, valid-type]
        async def __call__(self, call: Call) -> None:
            call.outcome.dropped = ("top_k", "metadata")
            await super().__call__(call)

    answer = Dropping(b"{}")
    await ask_at("/v1/messages", answer)
    again = await ask_at("/v1/messages", answer)
    assert (again.outcome.cache, again.outcome.dropped) == ("HIT", ("top_k", "metadata"))
    assert again.reply.headers["x-runestone-dropped"] == "top_k, metadata"
