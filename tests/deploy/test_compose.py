"""What an operator expects of every container in deploy/compose.yaml."""

from pathlib import Path

import pytest
import yaml

COMPOSE = Path(__file__).parents[2] / "deploy/compose.yaml"
SERVICES = yaml.safe_load(COMPOSE.read_text())["services"]
ONCE = {"secrets", "operator"}  # what runs once and ends


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_no_more_than_it_must(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "pid", "ipc", "devices"}
    is_ours = service["image"].startswith("runestone/")  # whose images have a user
    user = service.get("user", "65532" if is_ours else "0")
    assert not user.startswith("0") or (name == "secrets" and service["network_mode"] == "none")


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_limits(name):
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONCE))
def test_a_container_that_ends_is_started_again(name):
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_whoever_is_waited_for_is_waited_for_until_it_is_well(name):
    for other, how in SERVICES[name].get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert how == {"condition": wanted}


def test_only_who_needs_it_reaches_the_outside():
    document = yaml.safe_load(COMPOSE.read_text())
    assert document["networks"]["inside"] == {"internal": True}
    outside = {name for name, service in SERVICES.items() if "outside" in service.get("networks", ())}
    assert outside == {"provider", "envoy", "collector", "prometheus"}


def test_ports_are_published_on_loopback():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_providers_keys_are_in_one_container():
    holders = {name for name, service in SERVICES.items() if "OPENAI_API_KEY" in service.get("environment", {})}
    assert holders == {"provider"}


def test_edges_share_a_name_and_no_spool():
    edges = [SERVICES["edge-1"], SERVICES["edge-2"]]
    assert all(edge["networks"]["inside"]["aliases"] == ["edge"] for edge in edges)
    spools = [volume for edge in edges for volume in edge["volumes"] if volume.endswith(":/var/lib/runestone")]
    assert len(set(spools)) == 2


def list_givers(name):
    """The volumes with secrets that a container sees."""
    volumes = (volume for volume in SERVICES[name].get("volumes", ()) if isinstance(volume, str))
    return {volume.partition(":")[0] for volume in volumes if volume.startswith(("secrets:", "for-"))}


def test_a_container_sees_its_own_secrets_and_nobody_sees_those_of_the_authority():
    seen = {name: list_givers(name) for name in SERVICES.keys() - {"secrets"}}
    whole = {name: {f"for-{name.partition('-')[0]}"} for name in seen if seen[name]}
    assert {name: volumes for name, volumes in seen.items() if volumes} == whole
    assert list_givers("secrets") == {"secrets"}.union(*whole.values())
