"""What is in manifests, for those who check them: pods and what they refer to."""

from collections.abc import Iterator
from typing import Any

from charting.render import Manifest, Render

WORKLOADS = ("Deployment", "StatefulSet", "Pod")


def workloads(render: Render) -> list[Manifest]:
    """Everything that makes pods."""
    return render.of(*WORKLOADS)


def pod_of(manifest: Manifest) -> Manifest:
    """The pod that a workload makes: its metadata and its spec."""
    return manifest if manifest["kind"] == "Pod" else manifest["spec"]["template"]


def spec_of(manifest: Manifest) -> dict[str, Any]:
    return pod_of(manifest)["spec"]


def labels_of(manifest: Manifest) -> dict[str, str]:
    return pod_of(manifest)["metadata"]["labels"]


def component_of(manifest: Manifest) -> str:
    return labels_of(manifest)["app.kubernetes.io/component"]


def containers_of(manifest: Manifest) -> list[dict[str, Any]]:
    spec = spec_of(manifest)
    return [*spec.get("initContainers", []), *spec["containers"]]


def ports_of(manifest: Manifest) -> dict[str, int]:
    """The ports of its containers, by name."""
    return {p["name"]: p["containerPort"] for c in containers_of(manifest) for p in c.get("ports", [])}


def volumes_of(manifest: Manifest) -> set[str]:
    """The names of its volumes; those of a StatefulSet's claims too."""
    claims = [claim["metadata"]["name"] for claim in manifest.get("spec", {}).get("volumeClaimTemplates", [])]
    return {volume["name"] for volume in spec_of(manifest).get("volumes", [])} | set(claims)


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether a selector of labels finds a pod."""
    return selector.items() <= labels.items()


def references(manifest: Manifest, kind: str) -> Iterator[str]:
    """The names of Secrets (`kind` "secret") or ConfigMaps ("configMap") without which its pods would not start."""
    name_of = {"secret": "secretName", "configMap": "name"}[kind]
    for volume in spec_of(manifest).get("volumes", []):
        if kind in volume and not volume[kind].get("optional"):
            yield volume[kind][name_of]
        for source in volume.get("projected", {}).get("sources", []):
            if kind in source:
                yield source[kind]["name"]
    for container in containers_of(manifest):
        for variable in container.get("env", []):
            if reference := variable.get("valueFrom", {}).get(f"{kind}KeyRef"):
                yield reference["name"]
        for source in container.get("envFrom", []):
            if reference := source.get(f"{kind}Ref"):
                yield reference["name"]
