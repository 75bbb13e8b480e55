"""NetworkPolicies are the topology: who calls whom is allowed on both ends, and nothing else is."""

import pytest
from charting.pods import component_of, labels_of, ports_of, selects, workloads
from charting.render import Manifest, Render, render_set

from launcher.plan import DEFAULT_PORTS
from launcher.topology import TOPOLOGY

Pair = tuple[str, str, int]


def policies(render: Render) -> dict[str, Manifest]:
    return {found["metadata"]["labels"]["app.kubernetes.io/component"]: found for found in render.of("NetworkPolicy")}


def peers(rules: list[Manifest], side: str) -> list[tuple[str, int]]:
    """The parts of this release, and the ports, that rules name; peers outside of it are not told."""
    return [
        (peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"], port["port"])
        for rule in rules
        for peer in rule.get(side, [])
        if "app.kubernetes.io/component" in peer.get("podSelector", {}).get("matchLabels", {})
        for port in rule["ports"]
    ]


def pairs(render: Render, *, seen_from: str) -> set[Pair]:
    """Caller, callee and port, as the callers' egress or the callees' ingress allows them."""
    found: set[Pair] = set()
    for part, policy in policies(render).items():
        if seen_from == "callers":
            found |= {(part, peer, port) for peer, port in peers(policy["spec"].get("egress", []), "to")}
        else:
            found |= {(peer, part, port) for peer, port in peers(policy["spec"].get("ingress", []), "from")}
    return found


def expected(render: Render) -> set[Pair]:
    """From the launcher's own table, and what this chart puts around it."""
    allowed = {(node.name, peer, DEFAULT_PORTS[peer]) for node in TOPOLOGY for peer in node.peers}
    parts = {component_of(workload) for workload in workloads(render)}
    if "envoy" in parts:
        allowed |= {("envoy", "edge", port) for port in (4003, 4004, 4006)}
        allowed |= {("envoy", name, port) for name, port in DEFAULT_PORTS.items()}
        allowed.add(("test", "envoy", 8443))
    else:
        allowed.add(("test", "edge", 4003))
    if "redis" in parts:
        allowed |= {("cache", "redis", 6379), ("ratelimit", "redis", 6379)}
    if "postgres" in parts:
        allowed.add(("audit", "postgres", 5432))
    return allowed


def test_pairs_are_the_topology_on_both_ends(render: Render):
    if render.of("NetworkPolicy"):
        assert pairs(render, seen_from="callers") == expected(render)
        assert pairs(render, seen_from="callees") == expected(render)


def test_every_pod_has_a_policy_of_its_own_and_the_denial_of_all(render: Render):
    if not render.values["networkPolicy"]["enabled"]:
        assert render.of("NetworkPolicy") == []
        return
    for workload in workloads(render):
        mine = [
            p
            for p in render.of("NetworkPolicy")
            if selects(p["spec"]["podSelector"]["matchLabels"], labels_of(workload))
        ]
        parts = sorted(policy["metadata"]["labels"]["app.kubernetes.io/component"] for policy in mine)
        assert parts == sorted([component_of(workload), "deny-all"])
        assert all(policy["spec"]["policyTypes"] == ["Ingress", "Egress"] for policy in mine)
    denial = policies(render)["deny-all"]["spec"]
    assert not {"ingress", "egress"} & denial.keys()


def test_every_allowed_port_is_one_that_the_pod_listens_on(render: Render):
    for part, policy in policies(render).items():
        for rule in policy["spec"].get("ingress", []):
            (workload,) = [found for found in workloads(render) if component_of(found) == part]
            assert {port["port"] for port in rule["ports"]} <= set(ports_of(workload).values())


def test_no_rule_is_open_to_everybody_but_the_way_to_envoy(render: Render):
    for part, policy in policies(render).items():
        spec = policy["spec"]
        for rule in spec.get("ingress", []):
            if not rule.get("from"):
                assert part == "envoy"
                assert {port["port"] for port in rule["ports"]} == {8443, 8080}
        assert all(rule["to"] and rule["ports"] for rule in spec.get("egress", []))


def test_only_provider_svc_reaches_the_internet_and_never_the_inside_of_the_network():
    """Nor the addresses where clouds hand out credentials."""
    for part, policy in policies(render_set("production")).items():
        blocks = [
            (peer["ipBlock"], rule["ports"])
            for rule in policy["spec"].get("egress", [])
            for peer in rule["to"]
            if peer.get("ipBlock", {}).get("cidr") in {"0.0.0.0/0", "::/0"}
        ]
        assert bool(blocks) == (part == "provider")
        for block, ports in blocks:
            assert ports == [{"port": 443, "protocol": "TCP"}]
            assert {"0.0.0.0/0": "169.254.0.0/16", "::/0": "fe80::/10"}[block["cidr"]] in block["except"]


@pytest.mark.parametrize("name", ["default", "without-envoy", "production"])
def test_prometheus_reaches_every_service_s_metrics_and_nothing_else(name):
    render = render_set(name)
    for part, policy in policies(render).items():
        allowed = [
            port["port"]
            for rule in policy["spec"].get("ingress", [])
            for peer in rule.get("from", [])
            if peer.get("namespaceSelector", {}).get("matchLabels") == {"kubernetes.io/metadata.name": "monitoring"}
            for port in rule["ports"]
        ]
        known = {"edge": [4004], "envoy": [9902], "deny-all": [], "test": []}
        assert allowed == known.get(part, [9090])
