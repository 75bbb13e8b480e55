"""The chart, rendered by Helm 4 in this process, once a session for each value set."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import helm_python
import yaml

CHART = Path(__file__).parents[2]
NAMES = {"name": "demo", "namespace": "llm"}
PREFIX = "runestone/templates/"

Manifest = dict[str, Any]

# The value sets that users begin with, and those that only tests know.
SETS: dict[str, Path] = {
    **{path.stem.removeprefix("values-"): path for path in sorted(CHART.glob("values-*.yaml"))},
    **{path.stem: path for path in sorted((CHART / "tests" / "sets").glob("*.yaml"))},
}


@dataclass(frozen=True)
class Render:
    """What one value set becomes: the text of each template that says anything, and the manifests in it."""

    values: dict[str, Any]
    texts: dict[str, str]

    @cached_property
    def manifests(self) -> list[Manifest]:
        texts = (text for name, text in self.texts.items() if name.endswith(".yaml"))
        return [found for text in texts for found in yaml.load_all(text, Loader=yaml.CSafeLoader) if found]

    def of(self, *kinds: str) -> list[Manifest]:
        """The manifests of these kinds."""
        return [found for found in self.manifests if found["kind"] in kinds]

    def named(self, kind: str, name: str) -> Manifest:
        """The one manifest of this kind and name. Raises LookupError where there is none."""
        for found in self.of(kind):
            if found["metadata"]["name"] == name:
                return found
        raise LookupError(f"no {kind} {name}")

    @cached_property
    def settings(self) -> dict[str, Any]:
        """runestone.yaml, as it is mounted, with its references unresolved."""
        (config,) = [found for found in self.of("ConfigMap") if "runestone.yaml" in found["data"]]
        return yaml.safe_load(config["data"]["runestone.yaml"])


@cache
def load() -> helm_python.Chart:
    """The chart, loaded once."""
    return helm_python.Chart.load(CHART)


def read_values(name: str) -> dict[str, Any]:
    """What a value set says, without the chart's defaults."""
    return yaml.safe_load(SETS[name].read_text())


def render(values: dict[str, Any]) -> Render:
    """What a first install of the chart with `values` would create. Raises helm_python.HelmError."""
    texts = load().render(values, **NAMES, is_install=True)
    said = {name.removeprefix(PREFIX): text for name, text in texts.items() if text.strip()}
    return Render(load().merge_values(values), said)


@cache
def render_set(name: str) -> Render:
    """The render of a value set."""
    return render(read_values(name))
