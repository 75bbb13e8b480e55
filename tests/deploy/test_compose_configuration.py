"""The configuration that all containers of deploy/compose.yaml read."""

import datetime as dt
import shutil
from pathlib import Path

import pytest
import yaml

from chassis.replicas import split_address
from launcher.certificate_folder import Order, create_certificates
from launcher.configuration import load
from launcher.keyfiles import ensure_key
from launcher.plan import join_endpoints

DEPLOY = Path(__file__).parents[2] / "deploy"
SECRETS = "/run/runestone"  # where they are mounted
PARTS = ("cache", "ratelimit", "provider", "audit")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNESTONE_OTLP_ENDPOINT", "")
    for name in ("api.key", "admin.key", "postgres.password"):
        ensure_key(tmp_path / name)
    certify(tmp_path, "edge")
    text = (DEPLOY / "compose/runestone.yaml").read_text().replace(SECRETS, str(tmp_path))
    return load(text, tmp_path).settings


def certify(folder, name):
    """Puts a certificate of `name`'s where a container has it."""
    made = folder / "made"
    life = dt.timedelta(days=1)
    create_certificates(
        Order(folder=made, trust_domain="runestone.local", names=[name], front_hosts=(), life=life, is_forced=False)
    )
    for file in (made / name).iterdir():
        shutil.copy(file, folder)


@pytest.fixture
def containers():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_every_service_is_looked_for_where_its_container_is(settings, containers):
    for name in PARTS:
        endpoints = getattr(settings.mesh, name).endpoints
        hosts = [address.rpartition(":")[0] for address in split_address(join_endpoints(name, endpoints))]
        assert hosts == [name]
        assert name in containers


def test_stores_are_those_that_are_there(settings, containers):
    assert {"redis", "postgres"} <= containers.keys()
    assert settings.ratelimit.store.startswith("redis://redis:")
    assert settings.cache.state.store.startswith("redis://redis:")
    assert "@postgres:5432/runestone" in settings.audit.store


def test_without_a_collector_nothing_is_traced(settings):
    assert not settings.telemetry.otlp_endpoint


def test_envoy_asks_for_limits_that_there_are(settings):
    assert [domain.domain for domain in settings.ratelimit.domains] == ["runestone-edge"]


def test_everything_that_leaves_a_container_is_encrypted_and_its_peer_known(settings):
    for door in (settings.edge.http, settings.edge.grpc, settings.mesh):
        names = [Path(path).name for path in (door.tls.cert, door.tls.key, door.tls.ca)]
        assert names == ["tls.crt", "tls.key", "ca.crt"]
    assert all(getattr(settings.mesh, name).probe == "127.0.0.1:50060" for name in PARTS)
