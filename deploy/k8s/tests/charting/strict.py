"""Strict validation: a manifest is what Kubernetes' own schema of its kind allows, and has no field that the schema does not name.

Custom resources are checked against schemas of ours, which allow what this chart may write and nothing else (`custom.yaml`).
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from kubernetes_validate.utils import latest_version, schema_contents
from referencing import Registry, Resource

from charting.render import Manifest

OLDEST = "1.30.0"  # `kubeVersion` of Chart.yaml
VERSIONS = (OLDEST, latest_version())
CUSTOM = Path(__file__).with_name("custom.yaml")


@cache
def _custom() -> dict[str, Any]:
    return yaml.safe_load(CUSTOM.read_text())


def is_custom(manifest: Manifest) -> bool:
    """Whether its kind is defined by somebody else than Kubernetes."""
    return manifest["apiVersion"].split("/")[0] in {
        "cert-manager.io",
        "gateway.networking.k8s.io",
        "monitoring.coreos.com",
    }


def check(manifest: Manifest) -> list[str]:
    """What is wrong with a manifest, in the oldest and the newest version that the chart is for."""
    return list(_check(json.dumps(manifest, sort_keys=True)))


@cache
def _check(text: str) -> tuple[str, ...]:
    """The same, remembered: most manifests are the same in many value sets."""
    manifest = json.loads(text)
    if is_custom(manifest):
        schema = _custom().get(f"{manifest['apiVersion']}/{manifest['kind']}")
        if schema is None:
            return ("no schema knows this kind",)
        return tuple(_tell(error) for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest))
    return tuple(problem for version in VERSIONS for problem in _check_builtin(manifest, version))


def _check_builtin(manifest: Manifest, version: str) -> list[str]:
    group, _, name = manifest["apiVersion"].rpartition("/")
    file = f"{manifest['kind'].lower()}-{group.split('.')[0]}-{name}" if group else f"{manifest['kind'].lower()}-{name}"
    return [f"{version}: {_tell(error)}" for error in _validator(file, version).iter_errors(manifest)]


@cache
def _validator(file: str, version: str) -> jsonschema.Draft202012Validator:
    """As `kubernetes_validate.validate(..., strict=True)` makes one for each manifest, kept."""
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    schema = schema_contents(f"{folder}/{file}.json", version)
    registry = Resource.from_contents(schema_contents(f"{folder}/_definitions.json", version)) @ Registry()
    return jsonschema.Draft202012Validator(schema, registry=Resource.from_contents(schema) @ registry)


def _tell(error: jsonschema.ValidationError) -> str:
    return f"{error.json_path}: {error.message[:300]}"
