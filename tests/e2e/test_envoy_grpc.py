"""Plain gRPC of other callers through Envoy: one connection, each call to the replica that is least busy; replicas come and go under it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from envoy_mesh import EnvoyMesh, envoy_mesh_running
from real_mesh import ACME

from runestone.audit.v1.audit_pb2 import SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub
from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub
from runestone.target.v1.target_pb2 import ListTargetsRequest
from runestone.target.v1.target_pb2_grpc import TargetServiceStub

pytestmark = pytest.mark.timeout(180)
CALLS, PATIENCE = 60, 30.0


@pytest.fixture(scope="module")
def mesh() -> Iterator[EnvoyMesh]:
    with envoy_mesh_running("--edges", "1", "--replicas", "2") as running:
        yield running


def served(mesh: EnvoyMesh, part: str, method: str) -> int:
    """How many calls of `method` a part has answered."""
    with grpc.insecure_channel(mesh.about["services"][part]) as channel:
        text = IntrospectionServiceStub(channel).GetMetrics(GetMetricsRequest(), timeout=5).exposition.decode()
    lines = [row for row in text.splitlines() if row.startswith("runestone_rpc_server_seconds_count") and method in row]
    return int(sum(float(row.rsplit(" ", 1)[1]) for row in lines))


async def list_targets(channel: grpc.aio.Channel) -> int:
    return len((await TargetServiceStub(channel).ListTargets(ListTargetsRequest(), timeout=10)).targets)


async def test_the_calls_of_one_connection_are_spread_over_the_replicas(mesh: EnvoyMesh) -> None:
    counts = [0, 0]
    async with asyncio.timeout(PATIENCE), grpc.aio.insecure_channel(mesh.grpc_target) as channel:
        while min(counts) < CALLS // 6:
            for _ in range(CALLS):
                await list_targets(channel)
            counts = [served(mesh, f"provider-{number}", "ListTargets") for number in range(2)]


async def test_a_replica_that_is_killed_fails_only_what_was_on_its_connections(mesh: EnvoyMesh) -> None:
    """Half of the calls would be its own: what finds it gone goes to the other. Not only one may fail: its connections end before it stops
    listening, and a call may come between the two."""
    victim, before, failed = mesh.about["services"]["provider-0"], len(mesh.access_log()), 0
    async with grpc.aio.insecure_channel(mesh.grpc_target) as channel:
        for number in range(CALLS):
            if number == CALLS // 3:
                mesh.kill("provider-0")
            try:
                await list_targets(channel)
            except grpc.aio.AioRpcError:
                failed += 1
    rows = await wait_for_rows(mesh, before + CALLS)
    lost = [row for row in rows[before:] if row["grpc_status"] != "OK"]
    assert len(lost) == failed
    # UC: the connection that the call was on broke.
    told = {(row["upstream"], row["flags"], row["attempts"], row["grpc_status"]) for row in lost}
    assert told <= {(victim, "UC", 1, "UNAVAILABLE")}
    assert failed < CALLS // 3


async def wait_for_rows(mesh: EnvoyMesh, least: int) -> list[dict[str, Any]]:
    """Envoy's lines, once there are so many: it writes them from time to time."""
    async with asyncio.timeout(PATIENCE):
        while len(rows := mesh.access_log()) < least:
            await asyncio.sleep(0.1)
    return rows


async def test_a_new_replica_gets_its_share_without_a_restart_of_anything(mesh: EnvoyMesh) -> None:
    """Of plain gRPC from Envoy, which sees its list change; of the edge's calls over its own session."""
    await asyncio.to_thread(mesh.scale, "provider", 3)
    async with asyncio.timeout(PATIENCE), grpc.aio.insecure_channel(mesh.grpc_target) as channel:
        while not served(mesh, "provider-2", "ListTargets"):
            await list_targets(channel)
    body = {"model": "sim/words=2", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": f"Bearer {ACME}"}
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient(base_url=mesh.plain_url, headers=headers) as client:
        while not served(mesh, "provider-2", "ProviderService/Call"):
            assert (await client.post("/v1/chat/completions", json=body)).status_code == 200


async def test_each_package_leads_to_its_service(mesh: EnvoyMesh) -> None:
    async with grpc.aio.insecure_channel(mesh.grpc_target) as channel:
        await AuditServiceStub(channel).Search(SearchRequest(page_size=1), timeout=10)
        unknown = channel.unary_unary("/runestone.nobody.v1.Nobody/Ask")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unknown(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_service_is_restarted_without_a_failed_call(mesh: EnvoyMesh) -> None:
    """All of its replicas, one after the other: each says first that it is not ready, and what it has not begun goes to another."""
    over, failures = asyncio.Event(), list[grpc.aio.AioRpcError]()

    async def keep_asking() -> int:
        count = 0
        async with grpc.aio.insecure_channel(mesh.grpc_target) as channel:
            while not over.is_set():
                try:
                    await list_targets(channel)
                except grpc.aio.AioRpcError as error:
                    failures.append(error)
                count += 1
        return count

    asking = [asyncio.create_task(keep_asking()) for _ in range(4)]
    await asyncio.to_thread(mesh.restart, "provider")
    over.set()
    counts = await asyncio.gather(*asking)
    assert failures == []
    assert min(counts) > 0


async def test_a_killed_part_is_started_again_on_its_ports(mesh: EnvoyMesh) -> None:
    before = mesh.parts()["audit-0"]
    mesh.kill("audit-0")

    async def is_back() -> bool:
        part = mesh.parts()["audit-0"]
        return bool(part["ready"]) and part["pid"] != before["pid"]

    async with asyncio.timeout(PATIENCE):
        while not await is_back():
            await asyncio.sleep(0.1)
    assert mesh.parts()["audit-0"]["ports"] == before["ports"]


async def test_a_changed_file_is_in_force_in_all_parts_and_a_wrong_one_in_none(mesh: EnvoyMesh) -> None:
    config, added = mesh.data_dir.parent / "runestone.yaml", "added-key-0123456789"
    document = json.loads(config.read_text())
    document["tenants"].append({"name": "added", "keys": [{"name": "ci", "secret": added}]})
    config.write_text(json.dumps(document))
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient(base_url=mesh.plain_url) as client:
        while (await client.get("/v1/models", headers={"authorization": f"Bearer {added}"})).status_code != 200:
            await asyncio.sleep(0.1)
        config.write_text("edge: {no_such_thing: 1}")
        while "no_such_thing" not in mesh.log.read_text():
            await asyncio.sleep(0.1)
        assert (await client.get("/v1/models", headers={"authorization": f"Bearer {added}"})).status_code == 200


def test_the_commands_find_this_mesh(mesh: EnvoyMesh) -> None:
    """As they find one of `runestone up`."""
    answer = httpx.post(
        f"{mesh.plain_url}/v1/chat/completions",
        json={"model": "sim/words=2", "messages": [{"role": "user", "content": "hi"}]},
        headers={"authorization": f"Bearer {ACME}"},
    )
    mesh.audit(answer.headers["x-request-id"])
    found = mesh.command("audit", "search")
    findings = mesh.command("doctor")
    assert answer.headers["x-request-id"] in {row["request_id"] for row in found}
    assert {row["verdict"] for row in findings if row["name"] in ("mesh", "edge")} == {"ok"}
