"""Values that could not be correct, each by the name of its scenario, and what the chart answers."""

from typing import Any

import helm_python

from charting.render import NAMES, load

Values = dict[str, Any]

_STORES: Values = {"redis": {"mode": "bundled"}, "postgres": {"mode": "bundled"}}

REFUSALS: dict[str, Values] = {
    "several-limiters-in-memory": {"ratelimit": {"replicas": 2}},
    "limiters-scaled-in-memory": {"ratelimit": {"autoscaling": {"enabled": True, "minReplicas": 1, "maxReplicas": 2}}},
    "several-audits-on-sqlite": {"audit": {"replicas": 2}},
    "audits-scaled-on-sqlite": {"audit": {"autoscaling": {"enabled": True, "maxReplicas": 3}}},
    "several-caches-in-memory": {"cache": {"replicas": 3}},
    "state-in-memory-beside-a-shared-cache": {
        "redis": {"mode": "bundled"},
        "cache": {"replicas": 2},
        "config": {"cache": {"state": {"store": "memory"}}},
    },
    "limiter-on-a-cluster": {"redis": {"mode": "external", "external": {"url": "redis+cluster://a,b,c"}}},
    "external-stores-without-address": {"redis": {"mode": "external"}, "postgres": {"mode": "external"}},
    "persistent-spool-that-is-scaled": {"edge": {"spool": {"kind": "persistent"}, "autoscaling": {"enabled": True}}},
    "fewer-at-most-than-at-least": {
        **_STORES,
        "edge": {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 3}},
        "envoy": {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 3}},
    },
    "mesh-of-the-users-own": {"config": {"mesh": {"cache": {"listen": "0.0.0.0:1"}}}},
    "ports-of-the-users-own": {"config": {"edge": {"http": {"port": 80}, "admin": {"host": "127.0.0.1"}}}},
    "secrets-in-the-configuration": {
        "config": {
            "providers": [{"name": "openai", "kind": "openai", "api_key": "sk-in-the-clear"}],
            "tenants": [{"name": "acme", "keys": [{"name": "ci", "secret": "rsk_in_the_clear"}]}],
            "edge": {"admin": {"key": "admin-key-in-the-clear"}},
            "cache": {"store": "redis://:password@redis:6379"},
        }
    },
    "cert-manager-without-issuer": {
        "mesh": {"tls": {"mode": "certManager"}},
        "envoy": {"tls": {"mode": "certManager"}},
    },
    "existing-certificates-without-names": {
        "mesh": {"tls": {"mode": "existingSecret", "existingSecrets": {"edge": "edge-tls"}}},
        "envoy": {"tls": {"mode": "existingSecret"}},
    },
    "ingress-to-a-redirect": {"ingress": {"enabled": True, "hosts": ["a.example"], "backend": "http"}},
    "route-without-gateway": {"gateway": {"enabled": True, "backend": "https"}},
    "ingress-without-envoy": {"envoy": {"enabled": False}, "ingress": {"enabled": True}},
    "grace-that-is-too-short": {
        "config": {"edge": {"drain": {"delay": "500ms", "grace": "10m"}}},
        "drain": {"terminationGracePeriodSeconds": 60},
    },
    "all-that-is-wrong-at-once": {"ratelimit": {"replicas": 2}, "audit": {"replicas": 2}, "cache": {"replicas": 2}},
}


def refusal_of(scenario: str) -> str:
    """What the chart says to a scenario's values. Raises AssertionError when it renders them."""
    try:
        load().render(REFUSALS[scenario], **NAMES, is_install=True)
    except helm_python.HelmRenderError as error:
        return "\n".join(line for line in str(error).splitlines() if line.startswith("  - "))
    raise AssertionError(f"{scenario} was rendered")
