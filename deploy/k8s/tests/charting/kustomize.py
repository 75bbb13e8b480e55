"""The plain manifests in `kustomize/base`: the render of `kustomize/values.yaml`, without Helm's own labels and hooks.

Nothing in it is drawn at random and no Secret stands in it: those it needs are listed in `kustomize/README.md`.
"""

import shutil
from typing import Any

import yaml

from charting.render import CHART, Manifest, Render, load

FOLDER = CHART / "kustomize"
BASE = FOLDER / "base"
VALUES = FOLDER / "values.yaml"
NAMESPACE = "runestone"
HELM = (
    "helm.sh/chart",
    "app.kubernetes.io/managed-by",
    "helm.sh/resource-policy",
    "checksum/config",
    "checksum/secrets",
)


def render() -> Render:
    """What the base is made of."""
    values = yaml.safe_load(VALUES.read_text())
    texts = load().render(values, name="runestone", namespace=NAMESPACE, is_install=True)
    named = {name.removeprefix("runestone/templates/"): text for name, text in texts.items() if text.strip()}
    return Render(values, named)


def base() -> dict[str, str]:
    """The files of the base and what stands in each: one a kind."""
    files: dict[str, list[Manifest]] = {}
    for manifest in render().manifests:
        if "helm.sh/hook" not in manifest["metadata"].get("annotations", {}):
            files.setdefault(f"{manifest['kind'].lower()}s.yaml".replace("ys.yaml", "ies.yaml"), []).append(
                _strip(manifest)
            )
    texts = {name: yaml.safe_dump_all(found, sort_keys=False, width=140) for name, found in sorted(files.items())}
    listed = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": ["namespace.yaml", *texts],
    }
    return {"kustomization.yaml": yaml.safe_dump(listed, sort_keys=False), "namespace.yaml": _namespace(), **texts}


def _namespace() -> str:
    """The namespace, which Helm leaves to its user, under restricted Pod Security."""
    modes = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return yaml.safe_dump(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": modes}}, sort_keys=False
    )


def _strip(manifest: Manifest) -> Manifest:
    """Without what says that Helm keeps it, and without hashes, which nobody would compute anew."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {key: without(one) for key, one in value.items() if key not in HELM}
            return {key: one for key, one in kept.items() if (key, one) != ("annotations", {})}
        return [without(one) for one in value] if isinstance(value, list) else value

    return without(manifest)


def write() -> None:
    """Writes the base anew."""
    shutil.rmtree(BASE, ignore_errors=True)
    BASE.mkdir(parents=True)
    for name, text in base().items():
        (BASE / name).write_text(text)
