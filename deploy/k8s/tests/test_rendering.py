"""Helm takes the chart: it is linted without a warning, and what it renders is what Kubernetes takes, strictly."""

import helm_python
import kubernetes_validate
import pytest
from charting.render import CHART, SETS, Render, load, read_values, render_set
from charting.strict import OLDEST, VERSIONS, check, is_custom

WARNING = 2  # helm's severities: 1 info, 2 warning, 3 error


@pytest.mark.parametrize("name", SETS)
def test_chart_is_linted_without_a_warning(name):
    report = helm_python.lint(CHART, read_values(name), strict=True, namespace="llm", kube_version=f"v{OLDEST}")
    assert [message for message in report["messages"] if message["severity"] >= WARNING] == []
    assert report["errors"] == []


def test_every_manifest_is_valid_in_the_oldest_and_the_newest_kubernetes(render: Render):
    problems = {f"{found['kind']} {found['metadata']['name']}": check(found) for found in render.manifests}
    assert {name: found for name, found in problems.items() if found} == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_validate_itself_agrees(version):
    for found in render_set("laptop").manifests:
        if not is_custom(found):
            kubernetes_validate.validate(found, version, strict=True)


def test_validation_refuses_a_field_that_nobody_knows():
    """The checks above could not fail otherwise."""
    for kind in ("Deployment", "Certificate", "ServiceMonitor"):
        (found, *_) = render_set("production").of(kind)
        assert check(found) == []
        assert check({**found, "spec": {**found["spec"], "sped": 1}}) != []


def test_names_are_unique_within_a_kind(render: Render):
    names = [(found["kind"], found["metadata"]["name"]) for found in render.manifests]
    assert sorted(names) == sorted(set(names))


def test_everything_is_in_the_release_s_namespace_and_says_whose_it_is(render: Render):
    for found in render.manifests:
        assert found["metadata"]["namespace"] == "llm"
        assert found["metadata"]["labels"]["app.kubernetes.io/instance"] == "demo"
        assert found["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_names_stay_short_enough_whatever_the_release_is_called():
    texts = load().render({}, name="r" * 53, namespace="llm", is_install=True)
    names = {line.split()[1] for text in texts.values() for line in text.splitlines() if line.startswith("  name: ")}
    assert names
    assert max(map(len, names)) <= 63


def test_package_holds_nothing_of_its_making(tmp_path):
    helm_python.package(CHART, destination=tmp_path)
    (archive,) = tmp_path.glob("runestone-*.tgz")
    with helm_python.Chart.load(archive) as packed:
        names = {file["name"] for file in [*packed.files, *packed.templates]}
    assert "templates/tests/ask.yaml" in names
    assert "files/envoy.yaml" in names
    assert [name for name in names if name.startswith(("tests/", "golden/", "kustomize/"))] == []
