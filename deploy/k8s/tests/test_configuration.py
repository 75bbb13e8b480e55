"""runestone.yaml of every value set is one that the services take, each with the secrets of its own pod and no other."""

import copy
import re
from pathlib import Path
from typing import Any

import yaml
from charting.pods import component_of, containers_of, workloads
from charting.render import Render, render_set

from chassis.config import Settings
from chassis.config.decode import parse_settings
from chassis.config.rules import STORES
from chassis.config.schema import Mesh, Peer, RateLimit, Tls

REFERENCE = re.compile(r"\$\{([A-Z0-9_]+)\}")
AHEAD = ("probe", "admin")
SERVICES = ("edge", "cache", "ratelimit", "provider", "audit")


def environment(text: str) -> dict[str, str]:
    """A secret for each reference: different ones, of the right length."""
    return {name: f"{number:032x}" + "ab" * 16 for number, name in enumerate(sorted(set(REFERENCE.findall(text))))}


def settings_of(render: Render, tmp_path: Path) -> Settings:
    text = yaml.safe_dump(as_built(copy.deepcopy(render.settings)))
    return parse_settings(text, tmp_path, environment=environment(text))


def as_built(settings: dict[str, Any]) -> dict[str, Any]:
    """Without what the chart already says and the services do not know yet. Where they know all of it, nothing is taken away."""
    mesh = settings["mesh"]
    for name in SERVICES[1:]:
        mesh[name] = {
            key: value for key, value in mesh[name].items() if key in Peer.__struct_fields__ or key not in AHEAD
        }
    if Mesh.__annotations__["tls"] == (Tls | None):
        mesh.pop("tls", None)
    if "domains" not in RateLimit.__struct_fields__:
        settings["ratelimit"].pop("domains", None)
    if STORES["audit"] == ("sqlite",):
        settings["audit"]["store"] = "sqlite"
    return settings


def test_services_take_the_configuration(render: Render, tmp_path):
    settings = settings_of(render, tmp_path)
    assert settings.edge.http.host == "0.0.0.0"
    assert settings.edge.admin.key is not None
    assert settings.tenants


def test_services_find_each_other_by_headless_services(render: Render, tmp_path):
    settings = settings_of(render, tmp_path)
    for name in SERVICES[1:]:
        (endpoint,) = getattr(settings.mesh, name).endpoints
        host, port = endpoint.split(":")
        service, namespace, *domain = host.split(".")
        found = render.named("Service", service)
        assert found["spec"]["clusterIP"] == "None"
        assert namespace == found["metadata"]["namespace"]
        assert domain == ["svc", *render.values["clusterDomain"].split(".")]
        assert int(port) in [one["port"] for one in found["spec"]["ports"]]
        assert getattr(settings.mesh, name).listen == f"0.0.0.0:{port}"


def test_pods_listen_where_their_manifests_say(render: Render, tmp_path):
    settings = settings_of(render, tmp_path)
    edge = settings.edge
    listening = {
        "edge": {
            "http": edge.http.port,
            "admin": edge.admin.port,
            "websocket": edge.websocket.port,
            "grpc": edge.grpc.port,
        }
    }
    for name in SERVICES[1:]:
        peer = render.settings["mesh"][name]
        listening[name] = {
            door: int(peer[key].split(":")[1])
            for door, key in (("mesh", "listen"), ("probe", "probe"), ("admin", "admin"))
        }
    for workload in workloads(render):
        if (part := component_of(workload)) in listening:
            (container,) = containers_of(workload)
            assert {port["name"]: port["containerPort"] for port in container["ports"]} == listening[part]


def read_by(render: Render, part: str) -> set[str]:
    """The environment variables that the part's pod has of named keys of Secrets."""
    (workload,) = [found for found in workloads(render) if component_of(found) == part]
    (container,) = containers_of(workload)
    return {variable["name"] for variable in container["env"]}


def referred(value: Any) -> set[str]:
    return set(REFERENCE.findall(yaml.safe_dump(value)))


def test_pods_have_the_secrets_that_their_sections_refer_to(render: Render):
    """Of sections with references of the user's own (providers, tenants) the whole Secret is in the environment."""
    settings = render.settings
    mine = {
        "edge": referred(settings["edge"]),
        "cache": referred(settings["cache"]),
        "ratelimit": referred(settings["ratelimit"]),
        "audit": referred(settings["audit"]),
    }
    for part, names in mine.items():
        assert names <= read_by(render, part)


def test_certificates_of_the_mesh_are_mounted_where_the_configuration_looks(render: Render):
    tls = render.settings["mesh"].get("tls")
    for workload in workloads(render):
        if component_of(workload) not in SERVICES:
            continue
        (config,) = [volume for volume in workload["spec"]["template"]["spec"]["volumes"] if volume["name"] == "config"]
        mounted = {
            f"/etc/runestone/{item['path']}"
            for source in config["projected"]["sources"]
            for item in source.get("secret", {}).get("items", [])
        }
        assert mounted == ({tls["cert"], tls["key"], tls["ca"]} if tls else set())
        if not tls:
            assert all("secret" not in source for source in config["projected"]["sources"])


def test_a_tenant_s_keys_file_is_found_in_its_secret():
    settings = render_set("existing-secrets").settings
    assert [tenant["keys_file"] for tenant in settings["tenants"]] == [
        "/etc/runestone-keys/acme.yaml",
        "/etc/runestone-keys/globex.yaml",
    ]
