"""Every pod meets the restricted Pod Security Standard, and what else an operator expects of it."""

import pytest
from charting.pods import component_of, containers_of, pod_of, selects, spec_of, workloads
from charting.render import Render

# https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
ASKED = (
    ("startupProbe", "readiness", {}),
    ("readinessProbe", "readiness", {}),
    ("livenessProbe", "liveness", {"service": "liveness"}),
)
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def test_nothing_runs_as_root(render: Render):
    for workload in workloads(render):
        security = spec_of(workload)["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["runAsGroup"] > 0
        for container in containers_of(workload):
            assert container["securityContext"]["runAsNonRoot"] is True
            assert "runAsUser" not in container["securityContext"]


def test_no_container_can_gain_anything(render: Render):
    for workload in workloads(render):
        assert spec_of(workload)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers_of(workload):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in security
            assert "seccompProfile" not in security


def test_nothing_is_shared_with_the_node(render: Render):
    for workload in workloads(render):
        spec = spec_of(workload)
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys()
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= VOLUMES
        for container in containers_of(workload):
            assert all("hostPort" not in port for port in container.get("ports", []))


def test_nobody_has_a_token(render: Render):
    accounts = {account["metadata"]["name"]: account for account in render.of("ServiceAccount")}
    for account in accounts.values():
        assert account["automountServiceAccountToken"] is False
    names = [spec_of(workload)["serviceAccountName"] for workload in workloads(render)]
    assert all(spec_of(workload)["automountServiceAccountToken"] is False for workload in workloads(render))
    assert sorted(names) == sorted(set(names))
    assert set(names) == set(accounts)
    assert render.of("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding") == []


def test_every_image_is_one_that_stays_the_same(render: Render):
    for workload in workloads(render):
        for container in containers_of(workload):
            name, _, tag = container["image"].rpartition(":")
            assert name, container["image"]
            assert "/" not in tag, container["image"]
            assert tag != "latest"


def test_every_container_says_what_it_needs_and_at_most_gets(render: Render):
    for workload in workloads(render):
        for container in containers_of(workload):
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
        for volume in spec_of(workload).get("volumes", []):
            if "emptyDir" in volume:
                assert "sizeLimit" in volume["emptyDir"], volume["name"]


def test_every_container_that_stays_is_probed(render: Render):
    for workload in workloads(render):
        if workload["kind"] == "Pod":  # `helm test`, which ends by itself
            assert spec_of(workload)["activeDeadlineSeconds"] > 0
            continue
        for container in containers_of(workload):
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


def test_our_services_are_asked_over_grpc_and_the_edge_over_http(render: Render):
    for part in ("edge", "cache", "ratelimit", "provider", "audit"):
        (workload,) = [found for found in workloads(render) if component_of(found) == part]
        (container,) = containers_of(workload)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe, page, service in ASKED:
            if part == "edge":
                assert container[probe]["httpGet"] == {"path": f"/health/{page}", "port": "admin"}
            else:
                assert container[probe]["grpc"] == {"port": ports["probe"], **service}


def test_every_workload_has_a_disruption_budget_that_lets_nodes_be_drained(render: Render):
    budgets = render.of("PodDisruptionBudget")
    for workload in workloads(render):
        labels = pod_of(workload)["metadata"]["labels"]
        mine = [b for b in budgets if selects(b["spec"]["selector"]["matchLabels"], labels)]
        assert len(mine) == (0 if workload["kind"] == "Pod" else 1)
        assert all(budget["spec"]["maxUnavailable"] == 1 for budget in mine)
    assert len(budgets) == len([workload for workload in workloads(render) if workload["kind"] != "Pod"])


def test_a_deployment_never_has_fewer_pods_while_it_is_replaced(render: Render):
    for workload in render.of("Deployment"):
        strategy = workload["spec"]["strategy"]
        if strategy["type"] == "Recreate":
            assert component_of(workload) == "audit"
            assert render.settings["audit"]["store"] == "sqlite"
        else:
            assert strategy["rollingUpdate"]["maxUnavailable"] == 0
            assert strategy["rollingUpdate"]["maxSurge"] in {1, "25%"}
        assert workload["spec"]["revisionHistoryLimit"] <= 10
        assert workload["spec"]["minReadySeconds"] >= 1


def test_replicas_are_spread(render: Render):
    for workload in workloads(render):
        if component_of(workload) in {"redis", "postgres", "test"}:
            continue  # one pod each
        keys = [constraint["topologyKey"] for constraint in spec_of(workload)["topologySpreadConstraints"]]
        assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        for constraint in spec_of(workload)["topologySpreadConstraints"]:
            assert selects(constraint["labelSelector"]["matchLabels"], pod_of(workload)["metadata"]["labels"])
        assert spec_of(workload)["affinity"]


@pytest.mark.parametrize("part", ["edge", "cache", "ratelimit", "provider", "audit", "envoy"])
def test_a_pod_has_the_time_that_its_calls_and_its_records_have(render: Render, part):
    found = [workload for workload in workloads(render) if component_of(workload) == part]
    if part == "envoy" and not found:
        return
    (workload,) = found
    drain = render.settings["edge"]["drain"]
    seconds = {"s": 1, "m": 60}
    grace, delay, ship = (int(drain[name][:-1]) * seconds[drain[name][-1]] for name in ("grace", "delay", "ship"))
    sleep = render.values["drain"]["sleepSeconds"]
    assert spec_of(workload)["terminationGracePeriodSeconds"] > sleep + delay + grace + ship
    (container,) = containers_of(workload)
    if part == "envoy":
        env = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert container["lifecycle"]["preStop"]["exec"]["command"] == ["bash", "/etc/envoy-config/drain.sh"]
        assert (env["DRAIN_SLEEP"], env["DRAIN_GRACE"]) == (str(sleep), str(delay + grace))
    else:
        assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": sleep}}}
