"""What is referred to is there: Secrets, ConfigMaps, volumes, claims, ports, pods behind Services."""

import base64
from collections.abc import Iterator
from typing import Any

from charting.pods import containers_of, labels_of, ports_of, references, selects, spec_of, volumes_of, workloads
from charting.render import Manifest, Render


def strings(value: Any) -> Iterator[str]:
    """Every string in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def made_secrets(render: Render) -> set[str]:
    """Those of the chart, and those that cert-manager makes for it."""
    made = {secret["metadata"]["name"] for secret in render.of("Secret")}
    return made | {certificate["spec"]["secretName"] for certificate in render.of("Certificate")}


def test_every_secret_is_made_here_or_named_by_the_values(render: Render):
    declared = set(strings(render.values))
    for workload in workloads(render):
        for name in references(workload, "secret"):
            assert name in made_secrets(render) | declared, name


def test_every_key_of_a_made_secret_that_is_read_is_there(render: Render):
    made = {secret["metadata"]["name"]: secret["data"] for secret in render.of("Secret")}
    for workload in workloads(render):
        for container in containers_of(workload):
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                if reference and reference["name"] in made:
                    assert made[reference["name"]][reference["key"]]


def test_every_configmap_is_made_here_or_named_by_the_values(render: Render):
    made = {config["metadata"]["name"] for config in render.of("ConfigMap")}
    for workload in workloads(render):
        for name in references(workload, "configMap"):
            assert name in made | set(strings(render.values)), name


def test_no_secret_stands_anywhere_but_in_its_secret(render: Render):
    """Not in a ConfigMap, a command line, an annotation, nor in what Helm prints at the end."""
    values = [base64.b64decode(value) for secret in render.of("Secret") for value in secret["data"].values()]
    others = [str(found).encode() for found in render.manifests if found["kind"] != "Secret"]
    notes = render.texts.get("NOTES.txt", "").encode()
    for value in values:
        assert not any(value in text for text in [*others, notes])


def test_every_pod_gets_the_secrets_of_its_own_service_only(render: Render):
    """The table of who needs what; a name that appears in a pod beside is a leak."""
    own = {
        "edge": {"RUNESTONE_ADMIN_KEY", "RUNESTONE_DEVELOPMENT_KEY", "RUNESTONE_KEY_PEPPER", "EXTRA"},
        "cache": {"RUNESTONE_REDIS_PASSWORD", "RUNESTONE_MASTER_KEY"},
        "ratelimit": {"RUNESTONE_REDIS_PASSWORD"},
        "provider": {"EXTRA"},
        "audit": {"RUNESTONE_POSTGRES_PASSWORD"},
        "envoy": {"EXTRA"},
        "redis": {"REDISCLI_AUTH"},
        "postgres": {"POSTGRES_PASSWORD"},
        "test": {"RUNESTONE_TEST_KEY"},
    }
    for workload in workloads(render):
        part = labels_of(workload)["app.kubernetes.io/component"]
        for container in containers_of(workload):
            read = {v["name"] for v in container.get("env", []) if "secretKeyRef" in v.get("valueFrom", {})}
            assert read <= own[part]
            assert ("envFrom" in container) <= (part in {"edge", "provider"})


def test_every_mount_has_its_volume_and_every_volume_is_mounted(render: Render):
    for workload in workloads(render):
        mounts = [mount for container in containers_of(workload) for mount in container.get("volumeMounts", [])]
        assert {mount["name"] for mount in mounts} == volumes_of(workload)
        paths = [mount["mountPath"] for mount in mounts]
        assert len(paths) == len(set(paths))
        assert not any(one != other and one.startswith(f"{other}/") for one in paths for other in paths)
        names = [volume["name"] for volume in spec_of(workload).get("volumes", [])]
        assert len(names) == len(set(names))


def test_every_claim_is_made_here_or_named_by_the_values(render: Render):
    made = {claim["metadata"]["name"] for claim in render.of("PersistentVolumeClaim")}
    used = set()
    for workload in workloads(render):
        for volume in spec_of(workload).get("volumes", []):
            if claim := volume.get("persistentVolumeClaim"):
                used.add(claim["claimName"])
    assert used <= made | set(strings(render.values))
    assert made <= used


def targets_of(render: Render, service: Manifest) -> list[Manifest]:
    return [found for found in workloads(render) if selects(service["spec"]["selector"], labels_of(found))]


def test_every_service_leads_to_one_workload_and_to_ports_that_it_has(render: Render):
    for service in render.of("Service"):
        (workload,) = targets_of(render, service)
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports_of(workload), (service["metadata"]["name"], port)


def test_every_workload_selects_its_own_pods_and_nobody_else_s(render: Render):
    for workload in workloads(render):
        if workload["kind"] == "Pod":
            continue
        found = [w for w in workloads(render) if selects(workload["spec"]["selector"]["matchLabels"], labels_of(w))]
        assert found == [workload]


def test_every_probe_asks_a_port_that_there_is(render: Render):
    for workload in workloads(render):
        for container in containers_of(workload):
            ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                asked = container.get(probe, {})
                if "httpGet" in asked:
                    assert asked["httpGet"]["port"] in ports
                if "grpc" in asked:
                    assert asked["grpc"]["port"] in ports.values()


def test_what_is_scaled_is_there_and_says_no_number_itself(render: Render):
    for scaler in render.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        workload = render.named(target["kind"], target["name"])
        assert "replicas" not in workload["spec"]
        assert scaler["spec"]["minReplicas"] <= scaler["spec"]["maxReplicas"]
    scaled = {scaler["spec"]["scaleTargetRef"]["name"] for scaler in render.of("HorizontalPodAutoscaler")}
    for workload in render.of("Deployment", "StatefulSet"):
        assert ("replicas" in workload["spec"]) != (workload["metadata"]["name"] in scaled)


def test_ways_in_from_outside_lead_to_envoy(render: Render):
    names = [service["metadata"]["name"] for service in render.of("Service")]
    for ingress in render.of("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                asked = path["backend"]["service"]
                ports = render.named("Service", asked["name"])["spec"]["ports"]
                assert asked["port"]["name"] in [port["name"] for port in ports]
    for route in render.of("HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                assert backend["name"] in names
                ports = render.named("Service", backend["name"])["spec"]["ports"]
                assert backend["port"] in [port["port"] for port in ports]


def test_what_prometheus_reads_is_there(render: Render):
    for monitor in render.of("ServiceMonitor"):
        wanted = monitor["spec"]["selector"]
        (expression,) = wanted["matchExpressions"]
        services = [
            service
            for service in render.of("Service")
            if selects(wanted["matchLabels"], service["metadata"]["labels"])
            and service["metadata"]["labels"][expression["key"]] in expression["values"]
        ]
        ports = {port["name"] for service in services for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports
