"""Who may call which rpc."""

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import FileDescriptor
from hypothesis import given
from hypothesis import strategies as st

from chassis.config.schema import MeshCaller
from chassis.mesh_security.access import MAY_CALL, Access
from runestone.audit.v1 import audit_pb2
from runestone.cache.v1 import cache_pb2
from runestone.hint.v1 import hint_pb2
from runestone.introspection.v1 import introspection_pb2
from runestone.provider.v1 import provider_pb2
from runestone.ratelimit.v1 import ratelimit_pb2
from runestone.realtime.v1 import realtime_pb2
from runestone.room.v1 import room_pb2
from runestone.state.v1 import state_pb2
from runestone.stream.v1 import stream_pb2
from runestone.target.v1 import target_pb2

DOMAIN = "runestone.local"
SERVED = {
    "cache": (cache_pb2, state_pb2, room_pb2, stream_pb2, hint_pb2, introspection_pb2),
    "ratelimit": (ratelimit_pb2, introspection_pb2),
    "provider": (provider_pb2, realtime_pb2, target_pb2, introspection_pb2),
    "audit": (audit_pb2, introspection_pb2),
    "edge": (introspection_pb2,),
}
ENVOYS = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"


def list_rpcs(file: FileDescriptor) -> Iterator[str]:
    for service in file.services_by_name.values():
        yield from (f"/{service.full_name}/{method.name}" for method in service.methods)


RPCS = {
    service: [rpc for module in modules for rpc in list_rpcs(module.DESCRIPTOR)] for service, modules in SERVED.items()
}
EVERY = sorted({ENVOYS, *(rpc for rpcs in RPCS.values() for rpc in rpcs)})
CALLERS = sorted({caller for callers in MAY_CALL.values() for caller in callers})


@pytest.mark.parametrize("service", MAY_CALL)
def test_every_rpc_has_somebody_who_may_call_it(service: str) -> None:
    """An rpc that is added without a line in the table could be called by nobody."""
    access = Access(service, DOMAIN)
    for rpc in RPCS[service]:
        assert [caller for caller in CALLERS if access.may_call(caller, rpc)], rpc


@pytest.mark.parametrize("service", MAY_CALL)
def test_every_line_of_the_table_is_for_an_rpc_that_there_is(service: str) -> None:
    for caller, rules in MAY_CALL[service].items():
        for rule in rules:
            found = [rpc for rpc in [*RPCS[service], ENVOYS] if rpc.startswith(rule.removesuffix("*"))]
            assert found, f"{caller}: {rule}"


@pytest.mark.parametrize(
    ("service", "caller", "rpc", "may"),
    [
        ("cache", "edge", "/runestone.cache.v1.CacheService/LookUp", True),
        ("cache", "provider", "/runestone.cache.v1.CacheService/LookUp", False),
        ("cache", "provider", "/runestone.stream.v1.StreamService/Append", True),
        ("cache", "edge", "/runestone.stream.v1.StreamService/Append", False),
        ("cache", "operator", "/runestone.cache.v1.CacheService/Purge", True),
        ("cache", "operator", "/runestone.cache.v1.CacheService/Store", False),
        ("cache", "audit", "/runestone.cache.v1.CacheService/LookUp", False),
        ("audit", "edge", "/runestone.audit.v1.AuditService/Append", True),
        ("audit", "edge", "/runestone.audit.v1.AuditService/Search", False),
        ("audit", "operator", "/runestone.audit.v1.AuditService/Search", True),
        ("audit", "operator", "/runestone.audit.v1.AuditService/Append", False),
        ("provider", "edge", "/runestone.provider.v1.ProviderService/Call", True),
        ("provider", "operator", "/runestone.provider.v1.ProviderService/Call", False),
        ("ratelimit", "envoy", ENVOYS, True),
        ("ratelimit", "envoy", "/runestone.ratelimit.v1.RateLimitService/Reserve", False),
        ("ratelimit", "edge", ENVOYS, False),
        ("cache", "", "/runestone.cache.v1.CacheService/LookUp", False),
        ("cache", "spiffe://evil.example/runestone/edge", "/runestone.cache.v1.CacheService/LookUp", False),
    ],
)
def test_who_may_what(service: str, caller: str, rpc: str, *, may: bool) -> None:
    assert Access(service, DOMAIN).may_call(caller, rpc) == may


@given(st.sampled_from(sorted(MAY_CALL)), st.text(max_size=60), st.sampled_from(EVERY))
def test_who_is_not_in_the_table_may_nothing(service: str, identity: str, rpc: str) -> None:
    if identity not in MAY_CALL[service]:
        assert not Access(service, DOMAIN).may_call(identity, rpc)


@given(st.sampled_from(sorted(MAY_CALL)), st.sampled_from(CALLERS), st.sampled_from(EVERY))
def test_a_caller_that_is_added_changes_nothing_for_the_others(service: str, identity: str, rpc: str) -> None:
    more = [MeshCaller(name="spiffe://runestone.local/team/app", may=["/*"]), MeshCaller(name="job", may=["*"])]
    assert Access(service, DOMAIN, more).may_call(identity, rpc) == Access(service, DOMAIN).may_call(identity, rpc)


def test_the_configuration_lets_others_in_by_name_or_whole_id() -> None:
    look_up, purge = (f"/runestone.cache.v1.CacheService/{name}" for name in ("LookUp", "Purge"))
    access = Access(
        "cache",
        DOMAIN,
        [
            MeshCaller(name="envoy", may=["/runestone.cache.v1.CacheService/Look*"]),
            MeshCaller(name="spiffe://runestone.local/runestone/provider", may=[purge]),
            MeshCaller(name="spiffe://other.example/app", may=[look_up]),
        ],
    )
    assert access.may_call("envoy", look_up) and not access.may_call("envoy", purge)
    assert access.may_call("provider", purge) and access.may_call("provider", "/runestone.hint.v1.HintService/Tell")
    assert access.may_call("spiffe://other.example/app", look_up)
    assert not access.may_call("app", look_up)
