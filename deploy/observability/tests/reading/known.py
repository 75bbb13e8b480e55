"""What there is: the metrics of docs/metrics.md, what Prometheus itself adds, and the few of others that alerts use."""

import re
from functools import cache
from pathlib import Path

PAGE = Path(__file__).parents[4] / "docs/metrics.md"

# What the scrape adds to each series of ours: `namespace` and `pod` in Kubernetes alone.
SCRAPED = frozenset({"service", "namespace", "pod", "instance", "job"})

OTHERS: dict[str, frozenset[str]] = {
    "up": frozenset({"job", "instance"}),  # Prometheus
    # Envoy, /stats/prometheus
    "envoy_cluster_membership_healthy": frozenset({"envoy_cluster_name", "namespace"}),
    "envoy_cluster_membership_total": frozenset({"envoy_cluster_name", "namespace"}),
    # the kubelet, and kube-state-metrics
    "container_memory_working_set_bytes": frozenset({"namespace", "pod", "container"}),
    "kube_pod_container_resource_limits": frozenset({"namespace", "pod", "container", "resource"}),
}

_ROW = re.compile(r"^\| `(?P<name>[a-z0-9_]+)` \| (?P<kind>counter|gauge|histogram) \| (?P<rest>.*) \|$", re.MULTILINE)


@cache
def metrics() -> dict[str, frozenset[str]]:
    """The labels of every series that can be asked for, by its name; a histogram's are its three. One that several services have
    with different labels has the labels of all."""
    found: dict[str, frozenset[str]] = dict(OTHERS)
    for row in _ROW.finditer(PAGE.read_text()):
        labels = _labels_of(row["rest"])
        for series in _series(row["name"], row["kind"]):
            found[series] = found.get(series, frozenset()) | labels | SCRAPED
    return found


def _labels_of(rest: str) -> frozenset[str]:
    """Of a row with a column of labels that column; of the process's, which have none, what the meaning says it is given by."""
    column, separator, _meaning = rest.partition(" | ")
    return frozenset(re.findall(r"`(\w+)`", column if separator else rest))


def _series(name: str, kind: str) -> list[str]:
    return [f"{name}_{part}" for part in ("bucket", "sum", "count")] if kind == "histogram" else [name]


def labels_of(series: str) -> frozenset[str]:
    """Raises KeyError where there is no such series."""
    return metrics()[series] | ({"le"} if series.endswith("_bucket") else set())
