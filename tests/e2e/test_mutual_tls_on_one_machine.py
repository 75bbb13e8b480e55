"""`runestone up` with `mesh.tls`: services that listen on TCP show certificates, the launcher and the commands the operator's, and what
listens on unix sockets stays as it was."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from real_mesh import ACME, RUNESTONE, Mesh, mesh_running

from chassis.testing import free_port, short_directory
from runestone.cache.v1.cache_pb2 import GetStatisticsRequest
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub

TCP = ("cache", "provider", "audit")


def create_certificates(folder: Path, *options: str) -> None:
    subprocess.run([str(RUNESTONE), "certs", "create", "--out", str(folder), *options], check=True, timeout=30)


@pytest.fixture(scope="module")
def certificates() -> Iterator[Path]:
    with short_directory() as folder:
        create_certificates(folder)
        yield folder


@pytest.fixture(scope="module")
def mesh(certificates: Path) -> Iterator[Mesh]:
    place = f"{certificates}/{{service}}"
    tls = {"cert": f"{place}/tls.crt", "key": f"{place}/tls.key", "ca": f"{place}/ca.crt"}
    peers = {name: {"listen": f"127.0.0.1:{free_port()}"} for name in TCP}
    with mesh_running(mesh={**peers, "tls": tls}) as running:
        yield running


def ask(mesh: Mesh, text: str) -> int:
    body = json.dumps(
        {"model": "simulated", "messages": [{"role": "user", "content": text}], "temperature": 0}
    ).encode()
    headers = {"authorization": f"Bearer {ACME}", "content-type": "application/json"}
    request = urllib.request.Request(f"{mesh.url}/v1/chat/completions", body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.status


def read_readiness(mesh: Mesh) -> dict[str, bool]:
    with urllib.request.urlopen(f"{mesh.admin_url}/health/readiness", timeout=10) as answer:
        return {name: part["ready"] for name, part in json.load(answer)["parts"].items()}


def test_it_says_what_stays_in_the_clear(mesh: Mesh) -> None:
    assert "mesh.tls is for TCP: ratelimit, edge-0 listen on unix sockets" in mesh.log.read_text()


def test_calls_records_commands_and_the_admin_port_work(mesh: Mesh) -> None:
    assert ask(mesh, "Hello") == 200
    assert mesh.command("cache", "stats")[0]["failures"] == {}
    assert mesh.command("targets")
    assert set(read_readiness(mesh).values()) == {True}
    assert {line["verdict"] for line in mesh.command("doctor") if line["name"].startswith("certificate")} == {"ok"}


def test_who_has_no_certificate_does_not_get_in(mesh: Mesh) -> None:
    with grpc.insecure_channel(mesh.about["services"]["cache"]) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            CacheServiceStub(channel).GetStatistics(GetStatisticsRequest(), timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def test_the_launcher_goes_over_to_a_new_certificate_as_everybody(mesh: Mesh, certificates: Path) -> None:
    """It asks its parts each second, and restarts those that do not answer: none is."""
    before = mesh.about["services"]
    create_certificates(certificates, "--force")
    assert set(read_readiness(mesh).values()) == {True}
    assert ask(mesh, "after it") == 200
    assert mesh.about["services"] == before
    with urllib.request.urlopen(f"{mesh.admin_url}/metrics", timeout=10) as answer:
        restarts = [
            line for line in answer.read().decode().splitlines() if line.startswith("runestone_part_restarts_total{")
        ]
    assert restarts == []
