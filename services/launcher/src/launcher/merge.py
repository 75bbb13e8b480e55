"""Many processes' metrics as one exposition. Pure: text in, text out.

Samples of the same service are summed, whichever worker they come from; `service` tells the services apart.
"""

from collections.abc import Iterable, Iterator

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

SampleKey = tuple[str, tuple[tuple[str, str], ...]]

# Moments, not amounts: of several the earliest is kept.
MOMENTS = ("_created", "_start_time_seconds")


def merge_expositions(expositions: Iterable[tuple[str, bytes]]) -> bytes:
    """The sum of `(service, exposition)` pairs, both in the Prometheus text format 0.0.4.

    Raises ValueError for a text that is not in that format.
    """
    families: dict[str, _Family] = {}
    for service, text in expositions:
        for metric in text_string_to_metric_families(text.decode()):
            family = families.setdefault(metric.name, _Family(metric))
            for sample in metric.samples:
                family.add(service, sample)
    return generate_latest(_Merged(family.to_metric() for family in families.values()))


class _Family:
    """All samples of one metric name; its type and help are those seen first."""

    def __init__(self, metric: Metric) -> None:
        self._metric = Metric(metric.name, metric.documentation, metric.type)
        self._values: dict[SampleKey, float] = {}

    def add(self, service: str, sample: Sample) -> None:
        labels = {**sample.labels, "service": service}
        key = (sample.name, tuple(sorted(labels.items())))
        known = self._values.get(key)
        if known is None:
            self._values[key] = sample.value
        elif sample.name.endswith(MOMENTS):
            self._values[key] = min(known, sample.value)
        else:
            self._values[key] = known + sample.value

    def to_metric(self) -> Metric:
        for (name, labels), value in self._values.items():
            self._metric.add_sample(name, dict(labels), value)
        return self._metric


class _Merged(Collector):
    """What `generate_latest` takes instead of a registry."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)
