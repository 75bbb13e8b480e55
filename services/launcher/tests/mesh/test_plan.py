"""What a mesh behind Envoy consists of, and what its parts are told."""

import itertools
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from chassis.config import parse_settings
from chassis.replicas import resolve
from launcher.mesh.certificate import ensure_certificate
from launcher.mesh.configuration import Surroundings, extend_document, list_overruled, merge, write_document
from launcher.mesh.counts import count_replicas
from launcher.mesh.parts import SERVICES, Ground, list_addresses, list_clusters, plan_parts, write_command
from launcher.mesh.readiness import find_unwell

LISTS = {name: f"/d/{name}.addresses" for name in SERVICES if name != "edge"}
SHARED = "cache: {store: 'redis://r:1/0'}\nratelimit: {store: 'redis://r:1/0'}\naudit: {store: 'postgresql://u:p@h/d'}"


def plan(**replicas: int):
    return plan_parts(dict.fromkeys(SERVICES, 1) | replicas, itertools.count(100))


def test_no_two_parts_share_a_port_and_callees_come_first() -> None:
    parts = plan(edge=2, cache=2)
    ports = [port for part in parts for port in part.ports.values()]
    assert [part.name for part in parts] == [
        *("cache-0", "cache-1", "ratelimit-0", "provider-0", "audit-0", "edge-0", "edge-1"),
    ]
    assert len(ports) == len(set(ports)) == 5 + 2 * 4


def test_a_part_is_started_as_a_pod_starts_it_but_for_its_ports() -> None:
    ground = Ground(command=("runestone",), config=Path("c.yaml"), data_dir=Path("d"), log_level="info")
    commands = {part.name: " ".join(write_command(part, ground)) for part in plan()}
    common = "--config c.yaml --data-dir d --worker 0 --log-level info --lifeline"
    assert commands["cache-0"] == f"runestone serve cache --listen 127.0.0.1:100 {common}"
    assert commands["edge-0"] == (
        f"runestone serve edge --port http=104 --port websocket=105 --port admin=106 --port grpc=107 {common}"
    )


def test_envoy_asks_edges_on_their_operators_port_how_they_are() -> None:
    clusters = list_clusters(plan(edge=2))
    assert [(one.port, one.health_port) for one in clusters["edge"]] == [(104, 106), (108, 110)]
    assert [(one.port, one.health_port) for one in clusters["door"]] == [(107, None), (111, None)]
    assert [one.port for one in clusters["cache"]] == [100]


def test_a_service_is_found_by_all_of_its_parts_and_by_each() -> None:
    addresses = list_addresses(plan(cache=2))
    assert addresses["cache"] == "127.0.0.1:100,127.0.0.1:101"
    assert (addresses["cache-0"], addresses["cache-1"]) == ("127.0.0.1:100", "127.0.0.1:101")


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        (SHARED, set()),
        ("", {"cache", "ratelimit", "audit"}),
        ("cache: {store: 'redis://r:1/0'}", {"ratelimit", "audit"}),
        ("cache: {store: 'redis://r:1/0', state: {store: memory}}", {"cache", "ratelimit", "audit"}),
        ("ratelimit: {store: 'redis://r:1/0'}", {"cache", "audit"}),
    ],
)
def test_what_shares_nothing_has_one_replica_and_it_is_said_why(text: str, alone: set[str]) -> None:
    counts = count_replicas(parse_settings(text), 2, 3)
    assert {name for name, count in counts.replicas.items() if count == 1} == alone
    assert counts.replicas["edge"] == 2
    assert len(counts.notices) == len(alone)
    assert count_replicas(parse_settings(text), 2, 1).notices == ()


def test_the_parts_file_is_the_users_with_what_follows_from_the_plan() -> None:
    document = yaml.safe_load("""
        edge: {http: {port: 5003, max_body: 1MiB, trusted_proxies: [10.0.0.0/8], tls: {cert: c, key: k}}, drain: {grace: 3s}}
        providers: [{name: p, kind: openai, api_key: "${KEY}"}]
        cache: {store: "redis://mine:1/0"}
    """)
    around = Surroundings(lists=LISTS, replicas={"cache": 2}, redis="redis://127.0.0.1:9/0")
    written = yaml.safe_load(write_document(extend_document(document, around)))
    assert written["providers"] == document["providers"], "a reference stays one"
    assert written["edge"]["http"] == {
        "port": 5003,
        "max_body": "1MiB",
        "trusted_proxies": ["127.0.0.1", "10.0.0.0/8"],
        "tls": None,
        "host": "127.0.0.1",
    }
    assert written["edge"]["drain"] == {"delay": "3s", "grace": "3s"}
    assert (written["cache"]["store"], written["ratelimit"]["store"]) == ("redis://mine:1/0", "redis://127.0.0.1:9/0")
    assert written["mesh"]["cache"] == {
        "listen": "127.0.0.1",
        "endpoints": ["file:/d/cache.addresses"],
        "replicas": 2,
    }
    assert list_overruled(document) == [
        "edge.http.tls has no effect here: Envoy has a certificate of its own, and calls edges over loopback"
    ]
    assert list_overruled({"edge": None}) == []


def test_an_empty_file_will_do() -> None:
    text = write_document(extend_document({}, Surroundings(lists=LISTS)))
    assert parse_settings(text).mesh.cache.endpoints == ["file:/d/cache.addresses"]


def test_sections_are_merged_and_the_later_word_counts() -> None:
    assert merge({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3}, "d": [2]}) == {"a": {"b": 3, "c": 2}, "d": [2]}


async def test_addresses_in_a_file_are_replicas_and_may_change(tmp_path: Path) -> None:
    listed = tmp_path / "cache.addresses"
    listed.write_text("127.0.0.1:1\n127.0.0.1:2\n")
    assert await resolve([f"file:{listed}"]) == {"127.0.0.1:1", "127.0.0.1:2"}
    listed.write_text("127.0.0.1:3\n")
    assert await resolve([f"file:{listed}", "127.0.0.1:4"]) == {"127.0.0.1:3", "127.0.0.1:4"}
    listed.unlink()
    with pytest.raises(OSError, match="No such file"):
        await resolve([f"file:{listed}"])


def test_envoy_is_ready_when_it_finds_every_replica_well() -> None:
    """Every one that there is: of a list that it has not read yet it knows nothing."""
    row, expected = "cluster.{0}.membership_healthy: {1}\n", {"edge": 2, "door": 2}
    assert find_unwell(row.format("edge", 2) + row.format("door", 2), expected) == ""
    assert find_unwell(row.format("edge", 3) + row.format("door", 1), expected) == "has not found all of door"
    assert find_unwell("", expected) == "has not found all of door, edge"


def test_the_certificate_is_for_this_machine_and_made_anew_before_its_end(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = ensure_certificate(tmp_path, now)
    first = (tmp_path / "tls.crt").read_bytes()
    ensure_certificate(tmp_path, now + timedelta(days=300))
    assert (tmp_path / "tls.crt").read_bytes() == first
    ensure_certificate(tmp_path, now + timedelta(days=340))
    assert (tmp_path / "tls.crt").read_bytes() != first
    assert (tmp_path / "tls.key").stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*ca.key*")), "nobody can sign another name with what one has trusted"
    ssl.create_default_context(cafile=authority).load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
