"""What the parts of a mesh of containers read: one file for all of ours, as in deploy/compose.yaml, and Envoy's."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from real_mesh import configuration

from launcher.envoy.bootstrap import write_bootstrap
from launcher.envoy.site import MeshTls
from launcher.envoy.sites import COMPOSE, PORTS
from launcher.envoy.writing import write_yaml

ANYWHERE = "0.0.0.0"
PROVIDER_HOST = "provider.test"  # where the fake provider is found inside
PASSWORD = "a-password-of-the-database"
PROBE = 50060
TLS = "/etc/runestone-tls"
CROWDS = tuple(f"crowded-key-012345678{number}" for number in range(5))  # of tenants with a limit of their own each
ROOMY = "roomy-key-0123456789"  # of a tenant with a limit that nobody reaches: its calls ask for leave
CROWDED_LIMIT = 50  # calls a minute
ENVOYS_LIMIT = 5000  # calls a second of one address


def write_settings(fake_port: int) -> dict[str, Any]:
    """The file. Providers, models and tenants are those that every end-to-end test knows."""
    known = json.loads(
        json.dumps(configuration(fake_port)).replace(f"127.0.0.1:{fake_port}", f"{PROVIDER_HOST}:{fake_port}")
    )
    for provider in known["providers"]:
        provider.get("timeouts", {})["total"] = "120s"  # a stream may outlive two edges that are started again
    limits = {"requests_per_minute": CROWDED_LIMIT}
    roomy = {"name": "roomy", "keys": [{"name": "ci", "secret": ROOMY}], "limits": {"requests_per_minute": 60_000}}
    crowds = [{"name": f"crowd-{key[-1]}", "keys": [{"name": "ci", "secret": key}], "limits": limits} for key in CROWDS]
    return {
        **known,
        "tenants": [*known["tenants"], roomy, *crowds],
        "edge": {
            "http": {
                "host": ANYWHERE,
                "tls": write_tls(TLS),
                "max_body": "1MiB",
                "trusted_proxies": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
            },
            "admin": {"host": ANYWHERE, "key": "admin-key-0123456789"},
            "websocket": {"heartbeat_interval": "4s", "slow_consumer_timeout": "2s"},
            "grpc": {"host": ANYWHERE, "tls": write_tls(TLS)},
            "drain": {"delay": "1s", "grace": "20s"},
        },
        "cache": {"store": "redis://redis:6379/0"},
        "ratelimit": {"store": "redis://redis:6379/1", "domains": [write_domain()]},
        "audit": {"store": f"postgresql://runestone:{PASSWORD}@postgres:5432/runestone?sslmode=disable"},
        "mesh": {name: write_peer(name, port) for name, port in PORTS.items()} | {"tls": write_tls(TLS)},
    }


def write_domain() -> dict[str, Any]:
    rate = {"unit": "second", "requests_per_unit": ENVOYS_LIMIT}
    return {"domain": "runestone-edge", "descriptors": [{"key": "remote_address", "rate_limit": rate}]}


def write_peer(name: str, port: int) -> dict[str, Any]:
    """One name stands for all replicas."""
    return {"listen": f"{ANYWHERE}:{port}", "endpoints": [name], "probe": f"{ANYWHERE}:{PROBE}"}


def write_tls(folder: str | Path) -> dict[str, str]:
    return {"cert": f"{folder}/tls.crt", "key": f"{folder}/tls.key", "ca": f"{folder}/ca.crt"}


def write_envoy() -> str:
    """As for compose, with mutual TLS inside; its operators' port can be asked from outside of the container."""
    return write_yaml(write_bootstrap(replace(COMPOSE, admin_host=ANYWHERE, mesh_tls=MeshTls(folder=TLS))), "")
