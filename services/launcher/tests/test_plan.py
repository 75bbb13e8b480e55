from pathlib import Path

import pytest

from chassis.config import parse_settings
from chassis.replicas import split_address
from launcher.plan import join_endpoints, make_plan, with_port
from launcher.topology import TOPOLOGY

RUN = Path("/run/r")


def plan(text: str = ""):
    return make_plan(TOPOLOGY, parse_settings(text), RUN)


def test_every_service_is_one_process_on_a_private_socket():
    parts = {part.name: part for part in plan().parts}
    assert set(parts) == {"cache", "ratelimit", "provider", "audit", "edge-0"}
    assert parts["cache"].address == "unix:/run/r/cache.sock"
    assert parts["edge-0"].peers == {
        name: f"unix:/run/r/{name}.sock" for name in ("cache", "ratelimit", "provider", "audit")
    }


def test_provider_svc_knows_where_hints_are_shared():
    """Every replica of cache-svc, wherever it runs."""
    (provider,) = (part for part in plan("mesh: {cache: {replicas: 2}}").parts if part.name == "provider")
    assert provider.peers == {"cache": "unix:/run/r/cache-0.sock,unix:/run/r/cache-1.sock"}


def test_edge_workers_are_numbered_processes_with_sockets_of_their_own():
    edges = [part for part in plan("edge: {workers: 3}").parts if part.node.has_door]
    assert [(part.name, part.worker) for part in edges] == [("edge-0", 0), ("edge-1", 1), ("edge-2", 2)]
    assert len({part.address for part in edges}) == 3


def test_a_service_that_runs_elsewhere_is_called_there_and_not_started():
    made = plan("mesh: {cache: {endpoints: [10.0.0.7]}}")
    assert "cache" not in [part.name for part in made.parts]
    assert made.addresses["cache"] == "10.0.0.7:50051"
    assert made.parts[-1].peers["cache"] == "10.0.0.7:50051"


def test_a_service_that_listens_on_every_address_is_found_on_loopback():
    made = plan("mesh: {audit: {listen: 0.0.0.0}}")
    assert next(part.address for part in made.parts if part.name == "audit") == "0.0.0.0:50054"
    assert made.addresses["audit"] == "127.0.0.1:50054"


@pytest.mark.parametrize(
    ("endpoints", "target"),
    [
        (["cache.mesh.svc"], "cache.mesh.svc:50051"),
        (["dns:///cache:1"], "cache:1"),
        (["dns:///cache"], "cache:50051"),
        (["10.0.0.1:7", "10.0.0.2"], "10.0.0.1:7,10.0.0.2:50051"),
        (["[::1]", "[::2]:9"], "[::1]:50051,[::2]:9"),
        (["10.0.0.1", "[::1]"], "10.0.0.1:50051,[::1]:50051"),
        (["a.example", "dns:///b.example:7", "10.0.0.1"], "a.example:50051,b.example:7,10.0.0.1:50051"),
    ],
)
def test_endpoints_become_one_text_that_calls_are_spread_over(endpoints, target):
    joined = join_endpoints("cache", endpoints)
    assert joined == target
    assert split_address(joined) == target.split(",")


def test_the_edge_has_no_default_port():
    assert with_port("10.0.0.1", "edge") == "10.0.0.1"
