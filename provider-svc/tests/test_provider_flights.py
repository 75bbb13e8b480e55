"""The owner of all calls, with a provider that the test plays itself."""

import asyncio
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from chassis.config.catalog import PASSED_ON
from chassis.config.models import Target
from chassis.config.providers import Provider as Configured
from chassis.config.providers import Retries
from chassis.errors import Reason, RunestoneError
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.testing import FakeClock
from provider_svc.attempts.ask import Ask
from provider_svc.attempts.journey import Journey
from provider_svc.attempts.leg import Leg
from provider_svc.attempts.stack import stack
from provider_svc.attempts.stop import Stop
from provider_svc.call import Call
from provider_svc.flights import Flights
from provider_svc.health.book import HealthBook
from provider_svc.pilot import Pilot
from provider_svc.provider import Begun, Chunk, Meter
from provider_svc.seats import Seat
from provider_svc.settings import ProviderSettings
from provider_svc.telemetry import Telemetry
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT
from runestone.common.v1.error_pb2 import ErrorReason
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import CallResponse


class PlayedProvider:
    """Brings what the test puts in; raises the exceptions among it; notes that it was closed."""

    dialects = frozenset({DIALECT_OPENAI_CHAT})

    def __init__(self):
        self.steps = asyncio.Queue()
        self.asked = 0
        self.is_closed = False

    async def call(self, call, sink):
        try:
            self.asked += 1
            while (step := await self.steps.get()) is not None:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, Meter):
                    call.meter.usage, call.meter.finish_reason = step.usage, step.finish_reason
                    continue
                sink.accept(step) if isinstance(step, Begun) else sink.add(step)
                await sink.wait_for_room()
                self.asked += 1
        finally:
            self.is_closed = True

    async def close(self):
        pass


class NotedTracing:
    """Keeps the attributes of every span."""

    def __init__(self):
        self.spans = []

    def is_sampling(self):
        return True

    @contextmanager
    def span(self, name, *, kind, attributes):
        noted = {"name": name, "kind": kind, **attributes}
        self.spans.append(noted)
        yield SimpleNamespace(set_attribute=lambda key, value: noted.update({key: value}), set_attributes=noted.update)

    def describe(self, span, attributes):
        span.set_attributes(attributes)


class Stage:
    """Flights over a played provider."""

    def __init__(self, **bounds):
        self.clock, self.metrics, self.tracing = FakeClock(), Metrics(), NotedTracing()
        self.provider = PlayedProvider()
        self.telemetry = Telemetry(self.metrics, self.tracing)
        pilot = Pilot(self.telemetry, self.clock, get_logger("test"))
        self.flights = Flights(pilot, ProviderSettings(**bounds), self.clock)
        self.seat = Seat(Configured(name="p", kind="openai", retries=Retries(attempts=0)), self.provider)

    def begin(self, call_id="c", seconds=60.0):
        def release():
            self.seat.holders -= 1

        def plan():
            self.seat.holders += 1
            health, attempts = HealthBook().of(self.seat.configured, "m"), []
            stop = Stop(
                target=Target(provider="p", model="m"),
                health=health,
                speaks=True,
                find_rates=lambda: None,
                seat=self.seat,
                label="m",
            )
            leg = Leg("r", [stop], "only", attempts, float, is_strict=True)
            ask = Ask(call_id=call_id, tenant="t", stream=True, members={})
            self.journey = Journey(ask, attempts, leg, iter(()), release)
            return stack(PASSED_ON, self.telemetry, self.clock), self.journey

        self.flights.check_new(call_id)
        call = Call(call_id, "t", self.clock.monotonic() + seconds)
        self.flights.begin(call, plan)
        return call

    def play(self, *steps):
        for step in steps:
            self.provider.steps.put_nowait(step)

    def exposition(self):
        return self.metrics.exposition().decode()


@contextmanager
def following(stage, call):
    subscription = stage.flights.follow(call, CallResponse)
    try:
        yield subscription
    finally:
        subscription.leave()


async def follow(stage, call):
    with following(stage, call) as subscription:
        return [event async for response in subscription for event in response.events]


def reason_of(event):
    return ErrorReason.Name(event.failed.error.reason).removeprefix("ERROR_REASON_")


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    await stage.flights.stop(0)
    assert stage.flights.running == 0
    assert stage.seat.holders == 0


async def test_a_whole_call_is_completed_released_and_measured(stage):
    stage.play(Begun(200, "up-1"), Chunk(b"a\n\n", (3,)), Meter(Usage(input_tokens=3, output_tokens=0), "stop"), None)
    heard = await follow(stage, stage.begin())
    assert [event.WhichOneof("event") for event in heard] == ["accepted", "data", "completed"]
    assert heard[0].accepted.upstream_request_id == "up-1"
    await settle()
    assert (stage.seat.holders, stage.provider.is_closed) == (0, True)
    assert 'runestone_upstream_calls_total{outcome="completed",provider="p"} 1.0' in stage.exposition()
    assert 'runestone_upstream_tokens_total{direction="input",provider="p"} 3.0' in stage.exposition()


async def test_a_span_says_what_was_called_used_and_why_it_stopped(stage):
    stage.play(Begun(200), Meter(Usage(input_tokens=3, output_tokens=0), "stop"), None)
    await follow(stage, stage.begin())
    assert stage.tracing.spans == [
        {
            "name": "chat m",
            "kind": "client",
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "m",
            "gen_ai.request.stream": True,
            "server.address": "api.openai.com",
            "server.port": 443,
            "runestone.provider": "p",
            "runestone.route": "r",
            "runestone.attempt": 1,
            "runestone.why": "only",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 3,
            "gen_ai.usage.output_tokens": 0,
            "http.response.status_code": 200,
        }
    ]


async def test_the_last_to_leave_cancels_the_call_and_it_is_forgotten(stage):
    call = stage.begin()
    with following(stage, call), following(stage, call):
        await settle()
        assert stage.provider.asked == 1
    with pytest.raises(RunestoneError):
        stage.flights.find("c", "t")
    await settle()
    assert stage.provider.is_closed
    assert reason_of(call.flight.end) == "CANCELLED"


async def test_a_call_that_is_left_before_its_first_step_never_reaches_the_provider(stage):
    with following(stage, stage.begin()):
        pass
    await settle()
    assert (stage.provider.asked, stage.flights.running, stage.seat.holders) == (0, 0, 0)


async def test_nothing_is_asked_of_the_provider_while_a_call_is_paused(stage):
    call = stage.begin()
    with following(stage, call):
        call.flight.pause(call, paused=True)
        stage.play(Begun(200), Chunk(b"a\n\n", (3,)))
        await settle()
        assert stage.provider.asked == 1
        call.flight.pause(call, paused=False)
        await settle()
        assert stage.provider.asked == 3


async def test_usage_that_was_said_before_a_failure_is_kept(stage):
    call = stage.begin()
    stage.play(Begun(200))
    with following(stage, call) as subscription:
        await settle()
        stage.play(Meter(Usage(input_tokens=3)), RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut"))
        heard = [event async for response in subscription for event in response.events]
    assert (reason_of(heard[-1]), heard[-1].failed.usage.input_tokens) == ("PROVIDER_STREAM_CUT", 3)


async def test_a_bug_is_internal_and_tells_nothing_of_itself(stage):
    stage.play(KeyError("secret"))
    heard = await follow(stage, stage.begin())
    assert reason_of(heard[-1]) == "INTERNAL"
    assert "secret" not in str(heard)


async def test_a_timeout_inside_a_provider_is_not_taken_for_the_deadline(stage):
    stage.play(TimeoutError())
    heard = await follow(stage, stage.begin())
    assert reason_of(heard[-1]) == "INTERNAL"


async def test_the_deadline_ends_a_call_that_others_would_wait_for(stage):
    heard = await follow(stage, stage.begin(seconds=0.01))
    assert reason_of(heard[-1]) == "DEADLINE_EXCEEDED"
    assert stage.provider.is_closed


async def test_the_deadline_goes_on_while_a_call_is_paused(stage):
    call = stage.begin(seconds=0.01)
    call.flight.pause(call, paused=True)
    stage.play(Begun(200))
    heard = await follow(stage, call)
    assert reason_of(heard[-1]) == "DEADLINE_EXCEEDED"


async def test_a_call_that_is_over_is_found_for_a_moment_and_its_id_is_free(stage):
    stage.play(Begun(200), None)
    await follow(stage, stage.begin())
    assert len(await follow(stage, stage.flights.find("c", "t"))) == 2
    with pytest.raises(RunestoneError):
        stage.flights.find("c", "other")
    stage.flights.check_new("c")
    stage.clock.advance(6)
    with pytest.raises(RunestoneError) as error:
        stage.flights.find("c", "t")
    assert error.value.reason is Reason.NOT_FOUND


async def test_a_call_that_is_over_is_not_forgotten_while_it_is_followed(stage):
    stage.play(Begun(200), None)
    call = stage.begin()
    await follow(stage, call)
    with following(stage, call):
        stage.clock.advance(6)
        assert stage.flights.find("c", "t") is call
    assert stage.flights.find("c", "t") is call


async def test_places_for_calls_are_bounded():
    stage = Stage(max_running=2)
    with following(stage, stage.begin("a")), following(stage, stage.begin("b")):
        with pytest.raises(RunestoneError) as error:
            stage.begin("c")
        assert error.value.reason is Reason.OVERLOADED
    await settle()
    with following(stage, stage.begin("c")):
        assert stage.flights.running == 1
    await stage.flights.stop(0)


async def test_stopping_lets_calls_end_within_the_grace(stage):
    call = stage.begin()
    with following(stage, call) as subscription:
        stopping = asyncio.create_task(stage.flights.stop(30))
        await settle()
        stage.play(Begun(200), None)
        await stopping
        heard = [event async for response in subscription for event in response.events]
    assert heard[-1].HasField("completed")


async def test_stopping_ends_what_the_grace_was_too_short_for(stage):
    call = stage.begin()
    with following(stage, call) as subscription:
        await stage.flights.stop(0)
        heard = [event async for response in subscription for event in response.events]
    assert [reason_of(event) for event in heard] == ["UNAVAILABLE"]
    with pytest.raises(RunestoneError) as error:
        stage.begin("d")
    assert error.value.reason is Reason.UNAVAILABLE
