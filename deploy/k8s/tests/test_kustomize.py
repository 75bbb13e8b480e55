"""The plain manifests are the chart's, and whole without Helm."""

import yaml
from charting.kustomize import BASE, FOLDER, base, render
from charting.pods import references, workloads
from charting.strict import check


def test_base_is_the_render_of_its_values():
    assert {path.name: path.read_text() for path in BASE.iterdir()} == base(), "make chart UPDATE=1 writes it anew"


def test_base_lists_every_file_and_is_valid():
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(path.name for path in BASE.iterdir() if path.name != "kustomization.yaml")
    for name in listed:
        for manifest in yaml.safe_load_all((BASE / name).read_text()):
            assert check(manifest) == []


def test_base_says_nothing_of_helm_and_holds_no_secret():
    texts = {path.name: path.read_text() for path in BASE.iterdir()}
    assert "secrets.yaml" not in texts
    assert not any("helm.sh/" in text or "managed-by" in text for text in texts.values())


def test_example_makes_every_secret_that_the_base_refers_to():
    example = yaml.safe_load((FOLDER / "example" / "kustomization.yaml").read_text())
    made = {one["name"] for one in example["secretGenerator"]}
    wanted = {name for workload in workloads(render()) for name in references(workload, "secret")}
    assert made == wanted
