"""What the chart made once stays: keys, passwords, certificates. The cluster's answers stand in for `lookup`, which needs a cluster."""

import base64
import copy
import shutil
from collections.abc import Iterator
from typing import Any

import helm_python
import pytest
from charting.pods import component_of, pod_of, references, workloads
from charting.render import CHART, NAMES, PREFIX, Render, read_values
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

LOOKUP = (
    '{{- define "runestone.lookup" -}}{{- get .root.Values.global.cluster .name | default dict | toJson -}}{{- end -}}'
)

Cluster = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[helm_python.Chart]:
    """The chart, whose `runestone.lookup` reads `global.cluster`: Secrets' data by name."""
    folder = tmp_path_factory.mktemp("chart") / "runestone"
    shutil.copytree(CHART, folder, ignore=shutil.ignore_patterns("tests", "golden", "kustomize"))
    shutil.copytree(CHART / "templates" / "tests", folder / "templates" / "tests")
    (folder / "templates" / "_lookup.tpl").write_text(LOOKUP)
    with helm_python.Chart.load(folder) as loaded:
        yield loaded


def render(chart: helm_python.Chart, values: dict[str, Any], cluster: Cluster) -> Render:
    texts = chart.render({**values, "global": {"cluster": cluster}}, **NAMES, is_upgrade=True)
    return Render(values, {name.removeprefix(PREFIX): text for name, text in texts.items() if text.strip()})


def secrets_of(found: Render) -> Cluster:
    return {secret["metadata"]["name"]: secret["data"] for secret in found.of("Secret")}


def test_a_new_version_of_the_chart_alone_replaces_no_pod_of_a_store(chart):
    """Pods carry no version; those of our own services are replaced by their image."""
    for workload in workloads(render(chart, read_values("laptop"), {})):
        labels = pod_of(workload)["metadata"]["labels"]
        if workload["kind"] != "Pod":
            assert not {"helm.sh/chart", "app.kubernetes.io/version"} & labels.keys()


@pytest.mark.parametrize("name", ["minimal", "laptop"])
def test_an_upgrade_changes_no_secret_and_no_pod(chart, name):
    values = read_values(name)
    first = render(chart, values, {})
    second = render(chart, values, secrets_of(first))
    assert len(secrets_of(first)) >= 9
    assert second.manifests == first.manifests


def test_without_a_cluster_they_are_drawn_anew(chart):
    """Else the test above could not fail."""
    values = read_values("laptop")
    first, second = secrets_of(render(chart, values, {})), secrets_of(render(chart, values, {}))
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first)


def test_a_certificate_that_was_removed_is_signed_by_the_same_authority(chart):
    values = read_values("minimal")
    before = secrets_of(render(chart, values, {}))
    kept = {name: data for name, data in before.items() if name != "demo-runestone-cache-mesh-tls"}
    after = secrets_of(render(chart, values, kept))
    assert after.pop("demo-runestone-cache-mesh-tls") != before.pop("demo-runestone-cache-mesh-tls")
    assert after == before
    renewed = secrets_of(render(chart, values, kept))["demo-runestone-cache-mesh-tls"]
    load(renewed["tls.crt"]).verify_directly_issued_by(load(before["demo-runestone-ca"]["tls.crt"]))


def load(text: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(base64.b64decode(text))


def test_certificates_name_their_service_and_no_other(chart):
    made = secrets_of(render(chart, read_values("minimal"), {}))
    for service in ("edge", "cache", "ratelimit", "provider", "audit", "envoy", "operator"):
        certificate = load(made[f"demo-runestone-{service}-mesh-tls"]["tls.crt"])
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [f"{service}.runestone.local"]
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} == set(usages)
        certificate.verify_directly_issued_by(load(made["demo-runestone-ca"]["tls.crt"]))


def test_no_pod_has_the_authority_s_key(chart):
    found = render(chart, read_values("minimal"), {})
    assert "demo-runestone-ca" in secrets_of(found)
    assert all("demo-runestone-ca" not in references(workload, "secret") for workload in workloads(found))


def test_secrets_of_the_user_s_may_be_called_as_the_chart_would(chart):
    """`runestone-redis` beside a release `runestone`, say."""
    values = {"redis": {"mode": "external", "external": {"url": "redis://r", "existingSecret": "demo-runestone-redis"}}}
    before = annotations(render(chart, values, {"demo-runestone-redis": {"password": "b2xk"}}))
    after = annotations(render(chart, values, {"demo-runestone-redis": {"password": "bmV3"}}))
    assert {part for part in before if before[part] != after[part]} == {"cache", "ratelimit"}


@pytest.mark.parametrize(
    ("secret", "parts"),
    [
        ("our-admin", {"edge"}),
        ("our-tenant-env", {"edge"}),
        ("our-providers", {"provider"}),
        ("our-master", {"cache"}),
        ("our-redis", {"cache", "ratelimit"}),
        ("our-postgres", {"audit"}),
    ],
)
def test_a_secret_of_the_user_s_that_changed_replaces_the_pods_that_read_it(chart, secret, parts):
    values = read_values("existing-secrets")
    cluster: Cluster = {secret: {"key": "b2xk"}}
    before = annotations(render(chart, values, cluster))
    changed = copy.deepcopy(cluster)
    changed[secret]["key"] = "bmV3"
    after = annotations(render(chart, values, changed))
    assert {part for part in before if before[part] != after[part]} == parts


def annotations(found: Render) -> dict[str, dict[str, str]]:
    return {component_of(w): pod_of(w)["metadata"].get("annotations", {}) for w in workloads(found)}


def test_a_new_configuration_replaces_the_services_pods_unless_they_are_to_read_it_themselves(chart):
    def config_of(mode: str, ttl: str) -> dict[str, str | None]:
        found = render(chart, {"configChange": mode, "config": {"cache": {"default_ttl": ttl}}}, {})
        return {part: held.get("checksum/config") for part, held in annotations(found).items()}

    before, after = config_of("restart", "5m"), config_of("restart", "6m")
    assert {part for part in before if before[part] != after[part]} == {
        "edge",
        "cache",
        "ratelimit",
        "provider",
        "audit",
    }
    assert config_of("reload", "5m") == config_of("reload", "6m")
