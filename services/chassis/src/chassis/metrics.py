"""Prometheus metrics of one service; `IntrospectionService.GetMetrics` and the admin port expose them.

Every service in a process has a registry of its own, so that one process or many give the same metrics. Label sets are
bounded: a label never takes a value that a client can choose freely.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.process_collector import ProcessCollector

from chassis.build import REVISION, VERSION
from chassis.metric_families import Counter, Histogram, Measured, Survey

LATENCY_BUCKETS = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    120,
    300,
    600,
)


GEN_AI = "gen_ai"  # the namespace of what OpenTelemetry's conventions name
OUR_OWN = "runestone"


class Described(NamedTuple):
    """What a metric is: its name as it is exposed, its type, the names of its labels, and what it means."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


class Metrics:
    """Makes and exposes the metrics of one service, named `runestone_*`, or `gen_ai_*` where OpenTelemetry's conventions say so."""

    def __init__(self) -> None:
        self.described: list[Described] = []
        self._registry = CollectorRegistry()
        ProcessCollector(namespace=OUR_OWN, registry=self._registry)
        GCCollector(registry=self._registry)
        build = self.gauge("build_info", "1 for a process, under the build that it is", ("version", "revision"))
        build.labels(VERSION, REVISION).set(1)

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Counter:
        """A number that only grows."""
        self._describe(f"runestone_{name}_total", "counter", labels, help_text)
        counter = Counter(f"runestone_{name}", help_text, labels)
        self._registry.register(counter)
        return counter

    def gauge(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Gauge:
        """A number that is measured."""
        self._describe(f"runestone_{name}", "gauge", labels, help_text)
        return Gauge(f"runestone_{name}", help_text, labels, registry=self._registry)

    def survey(self, name: str, help_text: str, labels: Sequence[str], measure: Callable[[], Measured]) -> None:
        """A number that `measure` gives, when it is asked for, by its label values: a gauge whose labels come and go."""
        self._describe(f"runestone_{name}", "gauge", labels, help_text)
        self._registry.register(Survey(f"runestone_{name}", help_text, labels, measure))

    def histogram(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = LATENCY_BUCKETS,
        *,
        namespace: str = OUR_OWN,
    ) -> Histogram:
        """A distribution; seconds unless its name says otherwise."""
        self._describe(f"{namespace}_{name}", "histogram", labels, help_text)
        histogram = Histogram(f"{namespace}_{name}", help_text, labels, buckets)
        self._registry.register(histogram)
        return histogram

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format 0.0.4."""
        return generate_latest(self._registry)

    def open_exposition(self) -> bytes:
        """The same with exemplars, in the OpenMetrics text format 1.0.0."""
        text: bytes = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call]  # it has no annotations
        return text

    def _describe(self, name: str, kind: str, labels: Sequence[str], meaning: str) -> None:
        self.described.append(Described(name, kind, tuple(labels), meaning))
