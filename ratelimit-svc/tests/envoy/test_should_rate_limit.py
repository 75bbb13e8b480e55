"""`envoy.service.ratelimit.v3.RateLimitService` over a real socket."""

import grpc
import msgspec
import pytest
from google.protobuf.wrappers_pb2 import UInt64Value
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chassis.config import Settings
from chassis.config.schema import RateLimit
from chassis.errors import Reason, RunestoneError
from chassis.reload.changeable import find_fixed
from chassis.snapshots import Snapshot, snapshot_version
from chassis.testing import free_port, running
from ratelimit_svc.service import SERVICE
from runestone.envoy.v3.rls_pb2 import RateLimitDescriptor, RateLimitRequest, RateLimitResponse, RateLimitUnit
from runestone.envoy.v3.rls_pb2_grpc import RateLimitServiceStub

Entry, Override = RateLimitDescriptor.Entry, RateLimitDescriptor.RateLimitOverride
OK, OVER_LIMIT = RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT
DESCRIPTORS = [
    {"key": "ip", "rate_limit": {"unit": "hour", "requests_per_unit": 2, "name": "one address"}},
    {"key": "ip", "value": "banned", "rate_limit": {"unit": "hour", "requests_per_unit": 0}},
    {"key": "ip", "value": "free", "rate_limit": {"unlimited": True}},
    {"key": "all", "rate_limit": {"unit": "day", "requests_per_unit": 1000}},
    {"key": "quiet", "shadow_mode": True, "rate_limit": {"unit": "day", "requests_per_unit": 1}},
]


def configure(descriptors=DESCRIPTORS, **members):
    domains = [{"domain": "front", "descriptors": descriptors, **members}]
    return Settings(ratelimit=msgspec.convert({"domains": domains}, RateLimit))


def ask(*descriptors, domain="front", **members):
    return RateLimitRequest(domain=domain, descriptors=descriptors, **members)


def by(key, value, **members):
    return RateLimitDescriptor(entries=[Entry(key=key, value=value)], **members)


def headers_of(response):
    return {header.key: header.value for header in response.response_headers_to_add}


@pytest.fixture
async def service():
    async with running(SERVICE, configure()) as (runtime, channel):
        yield runtime, RateLimitServiceStub(channel)


async def test_a_client_is_let_through_until_its_limit_is_used_up(service):
    _, stub = service
    first, second, third = [await stub.ShouldRateLimit(ask(by("all", "x"), by("ip", "1"))) for _ in range(3)]
    assert [answer.overall_code for answer in (first, second, third)] == [OK, OK, OVER_LIMIT]
    assert [status.code for status in third.statuses] == [OK, OVER_LIMIT]
    assert [status.limit_remaining for status in third.statuses] == [998, 0]
    limit = third.statuses[1].current_limit
    assert (limit.name, limit.requests_per_unit, limit.unit) == ("one address", 2, RateLimitResponse.RateLimit.HOUR)
    assert first.statuses[1].duration_until_reset.ToNanoseconds() == 1800 * 10**9
    assert headers_of(first) == {
        "x-ratelimit-limit": "2, 2;w=3600",
        "x-ratelimit-remaining": "1",
        "x-ratelimit-reset": "1800",
    }
    over = headers_of(third)
    assert (over["x-ratelimit-remaining"], 1790 < int(over["retry-after"]) <= 1800) == ("0", True)


async def test_headers_speak_of_the_limit_that_refuses_for_longest(service):
    _, stub = service
    for hits in (1000, 1):
        response = await stub.ShouldRateLimit(ask(by("all", "x", hits_addend=UInt64Value(value=hits)), by("ip", "1")))
    assert headers_of(response)["x-ratelimit-limit"] == "1000, 1000;w=86400"
    banned = headers_of(await stub.ShouldRateLimit(ask(by("all", "y"), by("ip", "banned"))))
    assert banned == {"x-ratelimit-limit": "0, 0;w=3600", "x-ratelimit-remaining": "0"}


async def test_what_is_unlimited_and_what_matches_nothing_say_so(service):
    _, stub = service
    response = await stub.ShouldRateLimit(ask(by("ip", "free"), by("other", "x"), hits_addend=2**32 - 1))
    assert [status.code for status in response.statuses] == [OK, OK]
    assert [status.limit_remaining for status in response.statuses] == [2**32 - 1, 0]
    assert not any(status.HasField("current_limit") for status in response.statuses)
    assert headers_of(response) == {}


async def test_a_domain_that_is_not_configured_limits_nothing(service):
    _, stub = service
    for _ in range(5):
        response = await stub.ShouldRateLimit(ask(by("ip", "banned"), domain="elsewhere"))
        assert (response.overall_code, [status.code for status in response.statuses]) == (OK, [OK])


async def test_a_descriptors_own_hits_go_before_the_requests(service):
    _, stub = service
    response = await stub.ShouldRateLimit(
        ask(by("ip", "1", hits_addend=UInt64Value(value=2)), by("all", "x"), hits_addend=7)
    )
    assert [status.limit_remaining for status in response.statuses] == [0, 993]
    response = await stub.ShouldRateLimit(ask(by("ip", "2", hits_addend=UInt64Value(value=0)), by("all", "x")))
    assert [status.limit_remaining for status in response.statuses] == [2, 992]


async def test_a_limit_may_be_brought_along(service):
    _, stub = service
    override = Override(requests_per_unit=1, unit=RateLimitUnit.MONTH)
    codes = [(await stub.ShouldRateLimit(ask(by("ip", "banned", limit=override)))).statuses[0].code for _ in range(2)]
    assert codes == [OK, OVER_LIMIT]


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (ask(by("ip", "1"), domain=""), "domain"),
        (ask(), "descriptors"),
        (ask(*(by("ip", str(number)) for number in range(33))), "descriptors"),
        (ask(by("ip", "1"), RateLimitDescriptor()), "descriptors[1].entries"),
        (ask(RateLimitDescriptor(entries=[Entry(key="ip", value="1")] * 33)), "descriptors[0].entries"),
        (ask(by("ip", "1", is_negative_hits=True)), "descriptors[0].is_negative_hits"),
        (ask(by("ip", "1", limit=Override(requests_per_unit=1))), "descriptors[0].limit.unit"),
        (ask(by("ip", "1", limit=Override(requests_per_unit=1, unit=99))), "descriptors[0].limit.unit"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_and_charges_nothing(service, request_, param):
    with pytest.raises(RunestoneError) as caught:
        await service[1].ShouldRateLimit(request_)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)
    assert (await service[1].ShouldRateLimit(ask(by("ip", "1")))).statuses[0].limit_remaining == 1


async def test_a_domain_may_keep_its_headers_to_itself():
    async with running(SERVICE, configure(response_headers=False)) as (_, channel):
        response = await RateLimitServiceStub(channel).ShouldRateLimit(ask(by("ip", "1")))
    assert headers_of(response) == {}


async def test_limits_change_while_the_service_runs_and_the_share_that_was_used_stays_used(service):
    runtime, stub = service
    await stub.ShouldRateLimit(ask(by("ip", "1")))
    changed = configure([{"key": "ip", "rate_limit": {"unit": "hour", "requests_per_unit": 4}}])
    assert find_fixed(runtime.settings, changed) == []
    runtime.snapshots.publish(Snapshot(snapshot_version(changed), changed))
    response = await stub.ShouldRateLimit(ask(by("ip", "1"), by("ip", "banned")))
    assert [status.limit_remaining for status in response.statuses] == [1, 3]


async def test_verdicts_are_counted_by_domain_and_outcome(service):
    runtime, stub = service
    for descriptor in (*[by("ip", "1")] * 3, by("quiet", "x"), by("quiet", "x"), by("other", "x")):
        await stub.ShouldRateLimit(ask(descriptor))
    for name in ("made-up-1", "made-up-2"):
        await stub.ShouldRateLimit(ask(by("ip", "1"), domain=name))
    exposition = runtime.metrics.exposition().decode()
    counted = 'runestone_ratelimit_domain_requests_total{domain="%s",outcome="%s"} %s'
    for row in (("front", "admitted", "4.0"), ("front", "refused", "1.0"), ("front", "unmatched", "1.0")):
        assert counted % row in exposition
    assert counted % ("other", "unmatched", "2.0") in exposition
    assert 'runestone_ratelimit_domain_shadowed_total{domain="front"} 1.0' in exposition
    assert "made-up" not in exposition


async def test_a_store_that_does_not_answer_is_an_error_so_that_envoy_goes_by_its_own_rule():
    settings = configure()
    settings = msgspec.structs.replace(
        settings,
        ratelimit=msgspec.structs.replace(settings.ratelimit, store=f"redis://127.0.0.1:{free_port()}/0"),
    )
    async with running(SERVICE, settings) as (runtime, channel):
        with pytest.raises(RunestoneError) as caught:
            await RateLimitServiceStub(channel).ShouldRateLimit(ask(by("ip", "1")))
        assert caught.value.reason is Reason.UNAVAILABLE
        exposition = runtime.metrics.exposition().decode()
        assert 'runestone_ratelimit_domain_requests_total{domain="front",outcome="unavailable"} 1.0' in exposition


async def test_many_clients_of_envoy_take_no_room_from_the_tenants_in_memory(service, monkeypatch):
    """Who may ask from a hundred thousand addresses fills the limiter of the front, and no other."""
    from google.protobuf.duration_pb2 import Duration

    from runestone.ratelimit.v1 import ratelimit_pb2, ratelimit_pb2_grpc

    monkeypatch.setattr("ratelimit_svc.memory.MemoryStore.__init__.__defaults__", (3,))
    async with running(SERVICE, configure()) as (_, channel):
        stub = RateLimitServiceStub(channel)
        for number in range(3):
            await stub.ShouldRateLimit(ask(by("ip", str(number))))
        with pytest.raises(RunestoneError):
            await stub.ShouldRateLimit(ask(by("ip", "one too many")))
        limit = ratelimit_pb2.Limit(subject=["tenant", "a"], name="n", quantity=1, period=Duration(seconds=3600))
        request = ratelimit_pb2.ReserveRequest(limits=[limit])
        assert (await ratelimit_pb2_grpc.RateLimitServiceStub(channel).Reserve(request)).admitted


async def test_reflection_names_it(service):
    runtime, _ = service

    async def questions():
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        yield reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="envoy.service.ratelimit.v3.RateLimitService"
        )

    async with grpc.aio.insecure_channel(runtime.place.listen) as plain:
        answers = reflection_pb2_grpc.ServerReflectionStub(plain).ServerReflectionInfo(questions())
        listed, described = [answer async for answer in answers]
    names = [service.name for service in listed.list_services_response.service]
    assert "envoy.service.ratelimit.v3.RateLimitService" in names
    assert described.file_descriptor_response.file_descriptor_proto
