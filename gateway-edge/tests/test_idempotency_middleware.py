"""A call under a key is made once: what is kept, who waits, what may be tried again, and what happens without cache-svc."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from chassis.breaker import Breaker
from chassis.config.pipelines import IdempotencyOptions
from chassis.config.units import Size
from chassis.context import CallContext, bind, current
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from chassis.testing import FakeClock
from gateway_edge.call import Call
from gateway_edge.idempotency import claims
from gateway_edge.idempotency.claims import Claims
from gateway_edge.middleware.base import Proceed
from gateway_edge.middleware.idempotency import Idempotency, RefuseKeys
from runestone.common.v1.usage_pb2 import Usage
from runestone.state.v1.state_pb2 import (
    AbandonCallRequest,
    AbandonCallResponse,
    BeginCallRequest,
    BeginCallResponse,
    Claimed,
    FinishCallRequest,
    FinishCallResponse,
    KeptAnswer,
    Mismatch,
    RenewCallRequest,
    RenewCallResponse,
    Running,
)

KEY = {"idempotency-key": "k-1"}
STREAM = b'{"model": "simulated", "messages": [{"role": "user", "content": "hi"}], "stream": true}'
EVENTS = (b"data: 1\n\n", b"data: 2\n\n", b"data: [DONE]\n\n")


@dataclass
class Held:
    fingerprint: bytes
    token: str = ""
    answer: KeptAnswer | None = None


class FakeState:
    """The state's contract in this process. Errors in `failing` are raised by the rpc of that name after it did its work, as
    if its answer was lost. `deadlines` has those that were bound when a claim was ended."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], Held] = {}
        self.failing: dict[str, RunestoneError] = {}
        self.log: list[str] = []
        self.deadlines: list[float | None] = []
        self.changed = asyncio.Condition()
        self.gate = asyncio.Event()
        self.gate.set()

    async def BeginCall(self, request: BeginCallRequest, *, timeout: float, metadata: Any) -> BeginCallResponse:
        self.log.append("begin")
        response = self._begin(request)
        if response.HasField("running") and request.HasField("wait"):
            async with self.changed:
                await self.changed.wait_for(lambda: not self._begin(request).HasField("running"))
            response = self._begin(request)
        await self.gate.wait()
        return self._end("begin", response)

    def _begin(self, request: BeginCallRequest) -> BeginCallResponse:
        held = self.calls.setdefault((request.scope, request.key), Held(request.fingerprint, request.token))
        if held.fingerprint != request.fingerprint:
            return BeginCallResponse(mismatch=Mismatch())
        if held.answer is not None:
            return BeginCallResponse(answered=held.answer)
        return (
            BeginCallResponse(claimed=Claimed())
            if held.token == request.token
            else BeginCallResponse(running=Running())
        )

    async def RenewCall(self, request: RenewCallRequest, *, timeout: float, metadata: Any) -> RenewCallResponse:
        self.log.append("renew")
        return self._end("renew", RenewCallResponse())

    async def FinishCall(self, request: FinishCallRequest, *, timeout: float, metadata: Any) -> FinishCallResponse:
        self.log.append("finish")
        self.deadlines.append(current().deadline)
        response = self._end("finish", FinishCallResponse(is_kept=True))
        held = self.calls[request.scope, request.key]
        held.token, held.answer = "", request.answer
        await self._announce()
        return response

    async def AbandonCall(self, request: AbandonCallRequest, *, timeout: float, metadata: Any) -> AbandonCallResponse:
        self.log.append("abandon")
        self.deadlines.append(current().deadline)
        held = self.calls.get((request.scope, request.key))
        if held is not None and held.token == request.token:
            del self.calls[request.scope, request.key]
            await self._announce()
        return AbandonCallResponse()

    async def _announce(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def _end(self, rpc: str, response: Any) -> Any:
        if error := self.failing.get(rpc):
            raise error
        return response


@pytest.fixture
async def state() -> FakeState:
    return FakeState()


@pytest.fixture
async def make_step(state: FakeState, clock: FakeClock, spawn: Callable[..., None]) -> Callable[..., Idempotency]:
    numbers = count()
    desk = Claims(
        state,
        Breaker(clock=clock),
        clock=clock,
        spawn=spawn,
        new_token=lambda: f"token-{next(numbers):010}",
        outcomes=Metrics().counter("outcomes", "", ("outcome",)),
    )
    return lambda **options: Idempotency(desk, clock, IdempotencyOptions(**options))


@pytest.fixture
def step(make_step: Callable[..., Idempotency]) -> Idempotency:
    return make_step()


class Provider:
    """A `proceed` that answers as the provider would, each time with another document, and counts how often it was asked."""

    def __init__(self, *, error: BaseException | None = None) -> None:
        self.asked = 0
        self.error = error
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, call: Call) -> None:
        self.asked += 1
        call.outcome.attempts, call.outcome.usage = 1, Usage(input_tokens=1, output_tokens=2)
        call.reply.headers |= {"x-runestone-provider": "sim", "x-runestone-model": "m", "x-ratelimit-remaining": "7"}
        if call.asked.is_stream:
            await call.reply.write(EVENTS[0])
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        call.outcome.is_complete = True
        if call.asked.is_stream:
            for event in EVENTS[1:]:
                await call.reply.write(event)
            await call.reply.close()
        else:
            await call.reply.send(b'{"answer": %d}' % self.asked)


@pytest.fixture
async def provider() -> Provider:
    return Provider()


async def go(step: Idempotency, call: Call, proceed: Proceed) -> RunestoneError | None:
    try:
        await step(call, proceed)
    except RunestoneError as error:
        return error
    return None


async def settle() -> None:
    """Lets background work run that waits for nothing."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_without_a_key_a_call_passes_and_nobody_is_asked(step, state, provider, make_call):
    for _ in range(2):
        await step(make_call(), provider)
    assert provider.asked == 2 and state.log == []


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 256, "schlüssel", "a\tb", "a,\x7f"])
async def test_what_cannot_be_a_key_is_refused(step, provider, make_call, key):
    error = await go(step, make_call(headers={"idempotency-key": key}), provider)
    assert (error.reason, error.param, provider.asked) == (Reason.INVALID_REQUEST, "idempotency-key", 0)


@pytest.mark.parametrize("key", ["k", "k" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "!~"])
@pytest.mark.parametrize("body", [None, STREAM], ids=["unary", "stream"])
async def test_the_second_call_gets_the_answer_of_the_first(step, provider, make_call, key, body):
    arguments = () if body is None else (body,)
    first, second = (make_call(*arguments, headers={"idempotency-key": key}) for _ in range(2))
    first.id = "req_first"
    await step(first, provider)
    await step(second, provider)
    assert provider.asked == 1
    assert (second.reply.body, second.reply.content_type) == (first.reply.body, first.reply.content_type)
    assert second.reply.is_closed is (body is not None)
    assert second.reply.headers["idempotency-replayed"] == "true"
    assert second.reply.headers["x-runestone-original-request-id"] == "req_first"
    assert second.reply.headers["x-runestone-provider"] == "sim"
    assert "x-ratelimit-remaining" not in second.reply.headers, "that spoke of the first request"
    assert "idempotency-replayed" not in first.reply.headers


async def test_a_replay_uses_nothing_and_is_on_record_as_one(step, provider, make_call):
    first, second = make_call(headers=KEY), make_call(headers=KEY)
    first.id = "req_first"
    await step(first, provider)
    await step(second, provider)
    assert (second.outcome.replay_of, second.outcome.attempts, second.outcome.usage) == ("req_first", 0, None)
    assert second.outcome.is_complete and second.outcome.provider == "sim"
    assert first.outcome.replay_of == ""


async def test_a_replay_went_where_the_first_call_was_led(step, provider, make_call):
    """Tags, or the call's own id, may lead it elsewhere today."""
    led = {"x-runestone-route": "smart", "x-runestone-experiment": "tone=new"}

    async def answer(call: Call) -> None:
        call.reply.headers.update({"x-runestone-why": "weighted", **led})
        await provider(call)

    first, second = make_call(headers=KEY), make_call(headers=KEY)
    await step(first, answer)
    second.reply.headers.update({"x-runestone-route": "other", "x-runestone-experiment": "tone=old"})
    second.outcome.route, second.outcome.arm = "other", "old"
    await step(second, answer)
    assert {name: second.reply.headers[name] for name in led} == led
    outcome = second.outcome
    assert (outcome.route, outcome.why, outcome.experiment, outcome.arm) == ("smart", "weighted", "tone", "new")


async def test_a_replay_of_a_call_that_was_not_led_names_no_other_route(step, provider, make_call):
    first, second = make_call(headers=KEY), make_call(headers=KEY)
    await step(first, provider)
    second.reply.headers.update({"x-runestone-route": "other", "x-runestone-experiment": "tone=old"})
    await step(second, provider)
    assert not {"x-runestone-route", "x-runestone-experiment"} & second.reply.headers.keys()
    assert (second.outcome.route, second.outcome.experiment) == ("simulated", "")


@pytest.mark.parametrize(
    "again",
    [
        b'{"messages":[{"content":"hi","role":"user"}],"temperature":0,"model":"simulated"}',
        b'{"model": "simulated",\n "messages": [{"role": "user", "content": "\\u0068i"}], "temperature": 0}',
    ],
    ids=["order", "whitespace and escapes"],
)
async def test_the_same_document_written_otherwise_is_the_same_call(step, provider, make_call, again):
    await step(make_call(headers=KEY), provider)
    assert await go(step, make_call(again, headers=KEY), provider) is None
    assert provider.asked == 1


@pytest.mark.parametrize(
    "other",
    [
        b'{"model": "simulated", "messages": [{"role": "user", "content": "ho"}], "temperature": 0}',
        b'{"model": "simulated", "messages": [{"role": "user", "content": "hi"}], "temperature": 0, "user": "u"}',
        STREAM,
    ],
    ids=["content", "a label", "stream"],
)
async def test_another_document_under_the_key_is_refused(step, provider, make_call, other):
    await step(make_call(headers=KEY), provider)
    error = await go(step, make_call(other, headers=KEY), provider)
    assert (error.reason, provider.asked) == (Reason.IDEMPOTENCY_KEY_REUSED, 1)


async def test_a_body_that_two_readers_read_differently_is_compared_byte_for_byte(step, provider, make_call):
    bodies = [
        b'{"model": "simulated", "messages": [{"role": "user", "content": "hi"}], "n_": %d}' % number
        for number in (2**70, 2**70 + 1)
    ]
    await step(make_call(bodies[0], headers=KEY), provider)
    assert await go(step, make_call(bodies[0], headers=KEY), provider) is None
    error = await go(step, make_call(bodies[1], headers=KEY), provider)
    assert (error.reason, provider.asked) == (Reason.IDEMPOTENCY_KEY_REUSED, 1)


async def test_another_pipeline_is_another_call(step, provider, make_call):
    first, second = make_call(headers=KEY), make_call(headers=KEY)
    second.pipeline = "streaming"
    await step(first, provider)
    assert (await go(step, second, provider)).reason is Reason.IDEMPOTENCY_KEY_REUSED


async def test_tenants_and_their_api_keys_have_keys_of_their_own(step, provider, make_call):
    for tenant in ("a", "ab", "b"):
        await step(make_call(headers=KEY, tenant=tenant), provider)
    assert provider.asked == 3


@pytest.mark.parametrize(
    "error",
    [RunestoneError(Reason.PROVIDER_FAILED, "x"), RunestoneError(Reason.RATE_LIMITED, "x"), ConnectionError()],
    ids=["failed", "refused", "client gone"],
)
@pytest.mark.parametrize("body", [None, STREAM], ids=["unary", "stream"])
async def test_what_fails_is_not_kept_and_may_be_tried_again(step, state, make_call, error, body):
    arguments = () if body is None else (body,)
    failing, working = Provider(error=error), Provider()
    with pytest.raises(type(error)):
        await step(make_call(*arguments, headers=KEY), failing)
    await settle()
    assert await go(step, make_call(*arguments, headers=KEY), working) is None
    assert (failing.asked, working.asked) == (1, 1)
    assert state.log == ["begin", "abandon", "begin", "finish"]


async def test_a_call_that_is_cancelled_frees_its_key_whatever_its_deadline(step, state, provider, make_call):
    provider.gate.clear()

    async def call_with_a_deadline() -> None:
        bind(CallContext(deadline=1.0))
        await step(make_call(headers=KEY), provider)

    calling = asyncio.create_task(call_with_a_deadline())
    await settle()
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    await settle()
    assert (state.log, state.deadlines, state.calls) == (["begin", "abandon"], [None], {})


async def test_a_client_that_leaves_once_the_answer_is_whole_gets_it_when_it_comes_back(step, provider, make_call):
    """What idempotency keys are for: the call was made, and its answer got lost on the way."""
    lost, again = make_call(headers=KEY), make_call(headers=KEY)

    async def lose(body: bytes, content_type: str = "", status: int = 200) -> None:
        raise ConnectionError

    lost.reply.send = lose
    with pytest.raises(ConnectionError):
        await step(lost, provider)
    await step(again, provider)
    assert (again.reply.body, provider.asked) == (b'{"answer": 1}', 1)


@pytest.mark.parametrize("body", [None, STREAM], ids=["unary", "stream"])
async def test_who_comes_while_it_runs_waits_for_the_answer(step, provider, make_call, body):
    arguments = () if body is None else (body,)
    provider.gate.clear()
    calls = [make_call(*arguments, headers=KEY) for _ in range(20)]
    running = [asyncio.create_task(step(call, provider)) for call in calls]
    await asyncio.sleep(0.05)
    assert provider.asked == 1 and not any(task.done() for task in running)
    assert all(("expects-events" in call.reply.headers) is (body is not None) for call in calls[1:])
    provider.gate.set()
    await asyncio.gather(*running)
    assert provider.asked == 1
    assert {call.reply.body for call in calls} == {calls[0].reply.body}


async def test_when_the_first_fails_one_of_those_who_wait_makes_the_call(step, make_call):
    failing, working = Provider(error=RunestoneError(Reason.PROVIDER_FAILED, "x")), Provider()
    failing.gate.clear()
    first = asyncio.create_task(go(step, make_call(headers=KEY), failing))
    await settle()
    others = [asyncio.create_task(go(step, make_call(headers=KEY), working)) for _ in range(5)]
    await asyncio.sleep(0.05)
    failing.gate.set()
    assert (await first).reason is Reason.PROVIDER_FAILED
    assert await asyncio.gather(*others) == [None] * 5
    assert (failing.asked, working.asked) == (1, 1)


async def test_without_join_who_comes_while_it_runs_is_told_to_come_back(make_step, provider, make_call):
    step = make_step(join=False)
    provider.gate.clear()
    first = asyncio.create_task(step(make_call(headers=KEY), provider))
    await settle()
    error = await go(step, make_call(headers=KEY), provider)
    assert (error.reason, error.retry_after, provider.asked) == (Reason.IDEMPOTENCY_KEY_IN_USE, 1.0, 1)
    provider.gate.set()
    await first
    assert await go(step, make_call(headers=KEY), provider) is None
    assert provider.asked == 1


async def test_while_nobody_can_say_whether_it_was_made_nothing_is_begun(step, state, provider, make_call):
    """After five failures it is not even asked."""
    state.failing["begin"] = RunestoneError(Reason.UNAVAILABLE, "down")
    for _ in range(8):
        error = await go(step, make_call(headers=KEY), provider)
        assert (error.reason, error.retry_after) == (Reason.UNAVAILABLE, 1.0)
    assert (state.log.count("begin"), provider.asked) == (5, 0)
    await step(make_call(), provider)
    assert provider.asked == 1, "a call without a key needs nobody"


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["lost answer", "cancelled"])
async def test_a_claim_that_nobody_heard_of_does_not_block_its_key(step, state, provider, make_call, is_cancelled):
    if is_cancelled:
        state.gate.clear()
        calling = asyncio.create_task(step(make_call(headers=KEY), provider))
        await settle()
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        state.gate.set()
    else:
        state.failing["begin"] = RunestoneError(Reason.DEADLINE_EXCEEDED, "slow")
        await go(step, make_call(headers=KEY), provider)
        state.failing.clear()
    await settle()
    assert state.calls == {}
    assert await go(step, make_call(headers=KEY), provider) is None


async def test_an_answer_above_the_bound_passes_and_is_not_kept(make_step, state, provider, make_call):
    step = make_step(max_answer=Size(12))
    call = make_call(headers=KEY)
    await step(call, provider)
    await settle()
    assert call.reply.body == b'{"answer": 1}' and state.log == ["begin", "abandon"]


@pytest.mark.parametrize("reason", [Reason.UNAVAILABLE, Reason.NOT_FOUND])
async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(step, state, provider, make_call, reason):
    state.failing["finish"] = RunestoneError(reason, "x")
    call = make_call(headers=KEY)
    assert await go(step, call, provider) is None
    assert call.reply.body == b'{"answer": 1}'


async def test_a_claim_is_renewed_while_the_call_runs_and_no_longer(step, state, provider, make_call, monkeypatch):
    monkeypatch.setattr(claims, "RENEWAL", 0.001)
    provider.gate.clear()
    calling = asyncio.create_task(step(make_call(headers=KEY), provider))
    async with asyncio.timeout(10):
        while state.log.count("renew") < 3:
            await asyncio.sleep(0.001)
    provider.gate.set()
    await calling
    renewed = state.log.count("renew")
    await asyncio.sleep(0.02)
    assert state.log.count("renew") == renewed


async def test_a_lost_claim_does_not_stop_the_call(step, state, provider, make_call, monkeypatch):
    monkeypatch.setattr(claims, "RENEWAL", 0.001)
    state.failing["renew"] = RunestoneError(Reason.NOT_FOUND, "lost")
    provider.gate.clear()
    call = make_call(headers=KEY)
    calling = asyncio.create_task(step(call, provider))
    async with asyncio.timeout(10):
        while "renew" not in state.log:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)  # in which it would be renewed again
    provider.gate.set()
    await calling
    assert state.log.count("renew") == 1
    assert call.reply.body == b'{"answer": 1}'


async def test_a_wait_ends_before_the_calls_own_deadline(make_step, state, provider, make_call, clock):
    """Else it would look as if cache-svc were slow."""
    waits = []
    begin = state.BeginCall

    async def note(request: BeginCallRequest, **rest: Any) -> BeginCallResponse:
        waits.append(request.wait.ToMilliseconds())
        request.ClearField("wait")
        return await begin(request, **rest)

    state.BeginCall = note
    provider.gate.clear()
    first = asyncio.create_task(make_step()(make_call(headers=KEY), provider))
    await settle()
    bind(CallContext(deadline=clock.monotonic() + 5))
    second = asyncio.create_task(make_step()(make_call(headers=KEY), provider))
    await asyncio.sleep(0.06)
    provider.gate.set()
    await asyncio.gather(first, second)
    assert waits[:2] == [0, 0] and 4800 < waits[2] <= 4900


async def test_where_nothing_is_shared_a_call_with_a_key_is_refused_rather_than_made_without_it(provider, make_call):
    step = RefuseKeys()
    error = await go(step, make_call(headers=KEY), provider)
    assert (error.reason, error.code, provider.asked) == (Reason.INVALID_REQUEST, "idempotency_not_supported", 0)
    await step(make_call(), provider)
    assert provider.asked == 1


async def test_sound_is_replayed_whole_with_its_kind_and_what_was_dropped(
    step: Idempotency, make_call: Callable[..., Call]
) -> None:
    async def speak(call: Call) -> None:
        call.reply.headers["x-runestone-dropped"] = "voice"
        await call.reply.begin("audio/mpeg")
        await call.reply.write(b"ab")
        await call.reply.write(b"c")
        call.outcome.is_complete = True
        await call.reply.close()

    first, again = make_call(headers=KEY), make_call(headers=KEY)
    await step(first, speak)
    await step(again, speak)
    assert (first.reply.content_type, first.reply.body) == (again.reply.content_type, again.reply.body)
    assert again.reply.body == b"abc" and again.reply.headers["idempotency-replayed"] == "true"
    assert again.reply.headers["x-runestone-dropped"] == "voice"
