"""Replicas of every service behind Envoy, with the stores that let them be replicas: Redis and PostgreSQL as children of the launcher."""

import shutil
from collections.abc import Iterator

import httpx
import pytest
from envoy_mesh import EnvoyMesh, envoy_mesh_running
from real_mesh import ACME

from launcher.mesh.postgres import find_home, find_programs, is_root

pytestmark = pytest.mark.timeout(240)
HEADERS = {"authorization": f"Bearer {ACME}"}


@pytest.fixture(scope="module")
def mesh() -> Iterator[EnvoyMesh]:
    if find_programs() is None or shutil.which("redis-server") is None:
        pytest.skip("needs redis-server and PostgreSQL (Debian: apt-get install redis-server postgresql)")
    with envoy_mesh_running("--postgres") as running:
        yield running
        home = find_home(running.data_dir / "mesh")
    if is_root():
        shutil.rmtree(home)


def ask(mesh: EnvoyMesh, **more: object) -> httpx.Response:
    body = {"model": "sim/words=3", "messages": [{"role": "user", "content": "hi"}], "temperature": 0, **more}
    return httpx.post(f"{mesh.plain_url}/v1/chat/completions", json=body, headers=HEADERS, timeout=30)


def test_every_service_has_replicas_and_all_edges_see_one_cache_and_one_record(mesh: EnvoyMesh) -> None:
    services = [part["service"] for part in mesh.parts().values()]
    answers = [ask(mesh) for _ in range(20)]
    records = [mesh.audit(answer.headers["x-request-id"]) for answer in answers]
    used = {row["upstream"] for row in mesh.access_log() if row.get("path") == "/v1/chat/completions"}
    assert {service: services.count(service) for service in services} == dict.fromkeys(services, 2)
    assert [answer.headers["x-cache"] for answer in answers[1:]] == ["HIT"] * 19
    assert len({record.request_id for record in records}) == 20
    assert len(used) == 2, "both edges have answered"


def test_an_audit_replica_that_is_killed_loses_no_record(mesh: EnvoyMesh) -> None:
    answers = []
    for number in range(20):
        if number == 5:
            mesh.kill("audit-0")
        answers.append(ask(mesh, seed=number))
    assert {answer.status_code for answer in answers} == {200}
    assert all(mesh.audit(answer.headers["x-request-id"], patience=30).status == 200 for answer in answers)
