"""What operators see: health, metrics, reflection, shutdown."""

import aiohttp
import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from real_mesh import ACME, Mesh

OWN_SERVICE = {
    "cache": "runestone.cache.v1.CacheService",
    "ratelimit": "runestone.ratelimit.v1.RateLimitService",
    "provider": "runestone.provider.v1.ProviderService",
    "audit": "runestone.audit.v1.AuditService",
    "edge": "runestone.introspection.v1.IntrospectionService",
}


def address_of(mesh: Mesh, service: str) -> str:
    return next(address for name, address in mesh.about["services"].items() if name.split("-")[0] == service)


@pytest.mark.parametrize("service", OWN_SERVICE)
def test_every_service_lists_itself_by_reflection_and_is_healthy(mesh: Mesh, service: str) -> None:
    """As grpcurl would see it: names, then a service's methods."""
    with grpc.insecure_channel(address_of(mesh, service)) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert {OWN_SERVICE[service], "grpc.health.v1.Health"} <= set(database.get_services())
        described = DescriptorPool(database).FindServiceByName(OWN_SERVICE[service])
        assert described.methods_by_name
        status = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5).status
        assert status == health_pb2.HealthCheckResponse.SERVING


async def test_readiness_names_every_part_and_the_version(mesh: Mesh) -> None:
    async with aiohttp.ClientSession(mesh.admin_url) as session:
        async with session.get("/health/readiness") as answer:
            assert answer.status == 200
            document = await answer.json()
        for path in ("/health/liveness", "/health/liveliness"):
            async with session.get(path) as answer:
                assert answer.status == 200
    assert document["version"]
    assert {name.split("-")[0] for name in document["parts"]} == set(OWN_SERVICE)


async def test_metrics_count_calls(mesh: Mesh) -> None:
    body = {"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {ACME}"}) as session:
        async with session.post(f"{mesh.url}/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
        async with session.get(f"{mesh.admin_url}/metrics") as answer:
            text = await answer.text()
    counted = [
        line for line in text.splitlines() if line.startswith("runestone_calls_total") and 'status="200"' in line
    ]
    assert any(float(line.rsplit(" ", 1)[1]) >= 1 for line in counted)
    assert "runestone_middleware_seconds_bucket" in text


def test_doctor_finds_nothing_wrong(mesh: Mesh) -> None:
    """It looks at this mesh and its configuration, whatever else runs on the default ports."""
    findings = {finding["name"]: finding for finding in mesh.command("doctor")}
    assert [name for name, finding in findings.items() if finding["verdict"] == "fail"] == []
    assert findings["configuration"]["detail"] == mesh.about["config"]
