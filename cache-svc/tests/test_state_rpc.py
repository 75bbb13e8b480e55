"""StateService over a real socket: what is refused, and how long somebody waits."""

import asyncio
import secrets

import pytest
from google.protobuf.duration_pb2 import Duration

from cache_svc.service import SERVICE
from cache_svc.state.memory import MemoryState
from cache_svc.state.servicer import StateServicer
from cache_svc.store import Bounds
from chassis.clock import SystemClock
from chassis.config import Settings, Size
from chassis.config.schema import Cache, SharedState
from chassis.errors import Reason, RunestoneError
from chassis.limiter import ConcurrencyLimiter
from chassis.testing import free_port, running
from runestone.state.v1.state_pb2 import (
    AbandonCallRequest,
    BeginCallRequest,
    FindNoteRequest,
    FinishCallRequest,
    KeepNoteRequest,
    KeptAnswer,
    RememberNonceRequest,
    RenewCallRequest,
)
from runestone.state.v1.state_pb2_grpc import StateServiceStub

PATIENT = 9.0  # seconds; more than any answer takes on a busy machine
MINUTE = Duration(seconds=60)
ANSWER = KeptAnswer(
    status=200,
    content_type="text/event-stream",
    body=b"data: [DONE]\n\n",
    headers={"x-cache": "MISS"},
    request_id="req_1",
)


@pytest.fixture(params=["memory", "redis"])
def store(request):
    return "memory" if request.param == "memory" else request.getfixturevalue("redis_url")


@pytest.fixture
async def stub(store, monkeypatch):
    monkeypatch.setattr("chassis.redis.DEADLINE", PATIENT)
    async with running(SERVICE, Settings(cache=Cache(store=store))) as (_, channel):
        yield StateServiceStub(channel)


def claim(key="k", **members):
    token = secrets.token_hex(8)
    request = {"scope": "acme", "key": key, "fingerprint": b"f" * 32, "claim_ttl": MINUTE, "token": token}
    return BeginCallRequest(**{**request, **members})


def named(request):
    return {"scope": request.scope, "key": request.key, "token": request.token}


async def test_a_key_goes_from_claimed_by_running_to_answered(stub):
    mine = claim()
    assert (await stub.BeginCall(mine)).WhichOneof("outcome") == "claimed"
    assert (await stub.BeginCall(claim())).WhichOneof("outcome") == "running"
    assert (await stub.BeginCall(claim(fingerprint=b"g" * 32))).WhichOneof("outcome") == "mismatch"
    await stub.RenewCall(RenewCallRequest(**named(mine), claim_ttl=MINUTE))
    assert (await stub.FinishCall(FinishCallRequest(**named(mine), answer=ANSWER, ttl=MINUTE))).is_kept
    assert (await stub.BeginCall(claim())).answered == ANSWER


async def test_scope_and_key_are_kept_apart(stub):
    await stub.BeginCall(claim(scope="a", key="bc"))
    assert (await stub.BeginCall(claim(scope="ab", key="c"))).WhichOneof("outcome") == "claimed"
    assert (await stub.RememberNonce(RememberNonceRequest(scope="a", nonce="bc", ttl=MINUTE))).is_first
    assert (await stub.RememberNonce(RememberNonceRequest(scope="ab", nonce="c", ttl=MINUTE))).is_first
    assert not (await stub.RememberNonce(RememberNonceRequest(scope="ab", nonce="c", ttl=MINUTE))).is_first


async def test_who_waits_gets_the_answer_or_the_claim(stub):
    mine = claim()
    await stub.BeginCall(mine)
    waiting = [asyncio.create_task(stub.BeginCall(claim(wait=MINUTE))) for _ in range(5)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    await stub.AbandonCall(AbandonCallRequest(**named(mine)))
    done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=20)
    (first,) = done
    assert first.result().WhichOneof("outcome") == "claimed"
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


async def test_a_wait_ends_in_time(stub):
    await stub.BeginCall(claim())
    response = await asyncio.wait_for(stub.BeginCall(claim(wait=Duration(nanos=20_000_000))), 20)
    assert response.WhichOneof("outcome") == "running"


async def test_a_claim_that_nobody_holds_is_not_found(stub):
    for lost in (
        stub.RenewCall(RenewCallRequest(**named(claim()), claim_ttl=MINUTE)),
        stub.FinishCall(FinishCallRequest(**named(claim()), answer=ANSWER, ttl=MINUTE)),
    ):
        with pytest.raises(RunestoneError) as caught:
            await lost
        assert caught.value.reason is Reason.NOT_FOUND
    await stub.AbandonCall(AbandonCallRequest(**named(claim())))


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (RememberNonceRequest(nonce="n", ttl=MINUTE), "scope"),
        (RememberNonceRequest(scope="s", ttl=MINUTE), "nonce"),
        (RememberNonceRequest(scope="s", nonce="n" * 257, ttl=MINUTE), "nonce"),
        (RememberNonceRequest(scope="ü" * 129, nonce="n", ttl=MINUTE), "scope"),
        (RememberNonceRequest(scope="s", nonce="n"), "ttl"),
        (RememberNonceRequest(scope="s", nonce="n", ttl=Duration(seconds=3601)), "ttl"),
        (claim(scope=""), "scope"),
        (claim(scope="s" * 513), "scope"),
        (claim(key=""), "key"),
        (claim(key="k" * 256), "key"),
        (claim(fingerprint=b"f" * 31), "fingerprint"),
        (claim(token="t" * 15), "token"),
        (claim(token="t" * 65), "token"),
        (claim(claim_ttl=Duration(seconds=301)), "claim_ttl"),
        (claim(claim_ttl=Duration(seconds=-1)), "claim_ttl"),
        (claim(wait=Duration(seconds=61)), "wait"),
        (claim(wait=Duration()), "wait"),
        (RenewCallRequest(**named(claim()), claim_ttl=Duration(seconds=301)), "claim_ttl"),
        (FinishCallRequest(**named(claim()), answer=ANSWER, ttl=Duration(seconds=7 * 86_400 + 1)), "ttl"),
        (AbandonCallRequest(scope="s", key="k"), "token"),
    ],
)
async def test_what_makes_no_sense_is_refused(request_, param):
    servicer = StateServicer(MemoryState(Bounds(max_entries=1, max_bytes=1), SystemClock()), SystemClock(), None)
    rpc = getattr(servicer, type(request_).__name__.removesuffix("Request"))
    with pytest.raises(RunestoneError) as caught:
        await rpc(request_, None)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)


async def test_no_more_wait_than_may_and_the_next_is_told_to_come_back():
    state = MemoryState(Bounds(max_entries=10, max_bytes=1 << 20), SystemClock())
    servicer = StateServicer(state, SystemClock(), ConcurrencyLimiter(2))
    await servicer.BeginCall(claim(), None)
    waiting = [asyncio.create_task(servicer.BeginCall(claim(wait=MINUTE), None)) for _ in range(2)]
    while len(state.changes) < 2:
        await asyncio.sleep(0)
    with pytest.raises(RunestoneError) as caught:
        await servicer.BeginCall(claim(wait=MINUTE), None)
    assert (caught.value.reason, caught.value.retry_after) == (Reason.OVERLOADED, 1.0)
    state.changes.close()
    assert [response.WhichOneof("outcome") for response in await asyncio.gather(*waiting)] == ["running"] * 2


async def test_who_waits_does_not_hold_up_the_stop_of_the_service():
    async with running(SERVICE, Settings()) as (runtime, channel):
        stub = StateServiceStub(channel)
        await stub.BeginCall(claim())
        waiting = asyncio.create_task(stub.BeginCall(claim(wait=MINUTE)))
        await asyncio.sleep(0.05)
        await asyncio.wait_for(runtime.stop(30), 20)
        assert (await waiting).WhichOneof("outcome") == "running"


async def test_a_store_that_does_not_answer_is_unavailable():
    settings = Settings(cache=Cache(state=SharedState(store=f"redis://127.0.0.1:{free_port()}/0")))
    async with running(SERVICE, settings) as (runtime, channel):
        stub = StateServiceStub(channel)
        for question in (
            stub.RememberNonce(RememberNonceRequest(scope="s", nonce="n", ttl=MINUTE)),
            stub.BeginCall(claim(wait=MINUTE)),
            stub.FinishCall(FinishCallRequest(**named(claim()), answer=ANSWER, ttl=MINUTE)),
        ):
            with pytest.raises(RunestoneError) as caught:
                await question
            assert caught.value.reason is Reason.UNAVAILABLE
        assert not runtime.facts.is_ready
        assert "runestone_state_up " in runtime.metrics.exposition().decode()


async def test_what_is_dropped_early_is_counted():
    state = SharedState(max_size=2, max_bytes=Size(1 << 20))
    async with running(SERVICE, Settings(cache=Cache(state=state))) as (runtime, channel):
        stub = StateServiceStub(channel)
        for number in range(5):
            mine = claim(key=str(number))
            await stub.BeginCall(mine)
            await stub.FinishCall(FinishCallRequest(**named(mine), answer=ANSWER, ttl=MINUTE))
        exposition = runtime.metrics.exposition().decode()
        assert "runestone_idempotency_evicted_total 3.0" in exposition
        assert "runestone_idempotency_answers 2.0" in exposition


async def test_a_note_is_its_scopes_own(stub):
    await stub.KeepNote(KeepNoteRequest(scope="acme", key="resp_1", note=b"openai", ttl=MINUTE))
    assert (await stub.FindNote(FindNoteRequest(scope="acme", key="resp_1"))).note == b"openai"
    with pytest.raises(RunestoneError) as other:
        await stub.FindNote(FindNoteRequest(scope="other", key="resp_1"))
    assert other.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize(
    ("member", "value"),
    [("scope", ""), ("scope", "s" * 513), ("key", "k" * 256), ("note", b""), ("note", b"n" * 1025), ("ttl", None)],
)
async def test_a_note_that_cannot_be_kept_is_refused(stub, member, value):
    members = {"scope": "acme", "key": "k", "note": b"n", "ttl": MINUTE}
    with pytest.raises(RunestoneError) as refusal:
        await stub.KeepNote(KeepNoteRequest(**{**members, member: value}))
    assert (refusal.value.reason, refusal.value.param) == (Reason.INVALID_REQUEST, member)
