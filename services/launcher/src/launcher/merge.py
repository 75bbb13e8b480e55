"""Many processes' metrics as one exposition. Pure: text in, text out.

Samples of the same service are summed, whichever worker they come from; `service` tells the services apart. A sum of
counters never falls, for to Prometheus a fall is a reset, after which it counts everything anew: a process that does not
answer keeps its last word, and what a dead one had counted stays.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample

SampleKey = tuple[str, tuple[tuple[str, str], ...]]

# Kinds whose samples only grow, as long as their process lives.
GROWING = ("counter", "histogram", "summary")

# Moments, not amounts: of several the earliest is kept.
MOMENTS = ("_created", "_start_time_seconds", "_timestamp_seconds")

LAST_LINE = b"# EOF\n"  # of a text in OpenMetrics' format


@dataclass(frozen=True, slots=True)
class _Word:
    """What a process said last, and which process that part had before."""

    service: str
    process_id: int
    exposition: bytes
    predecessor: int | None


class LastWords:
    """The last exposition of each part, and for each service what its dead processes had counted."""

    def __init__(self) -> None:
        self._latest: dict[str, _Word] = {}
        self._retired: dict[str, bytes] = {}

    def note(self, part: str, service: str, process_id: int, exposition: bytes) -> None:
        """Takes a part's exposition; another process id than before means that the former process is dead.

        An answer of the former process that was overtaken by one of its successor is dropped. Raises ValueError when
        the former's text is no exposition.
        """
        known = self._latest.get(part)
        if known is None:
            predecessor = None
        elif process_id == known.predecessor:
            return
        elif process_id == known.process_id:
            predecessor = known.predecessor
        else:
            predecessor = known.process_id
            self._retire(known)
        self._latest[part] = _Word(service, process_id, exposition, predecessor)

    def list_expositions(self) -> list[tuple[str, bytes]]:
        """What is to be summed, as `merge_expositions` takes it."""
        return [*((word.service, word.exposition) for word in self._latest.values()), *self._retired.items()]

    def _retire(self, word: _Word) -> None:
        """Keeps what grows; how much memory a dead process had is nobody's any more."""
        texts = [(word.service, text) for text in (self._retired.get(word.service, b""), word.exposition)]
        self._retired[word.service] = merge_expositions(texts, kinds=GROWING, is_open=True)


def merge_expositions(
    expositions: Iterable[tuple[str, bytes]], kinds: Collection[str] | None = None, *, is_open: bool = False
) -> bytes:
    """The sum of `(service, exposition)` pairs, in the Prometheus text format 0.0.4 or, with the newest exemplar of each bucket, in
    OpenMetrics' (`is_open`); of metrics of some `kinds` only. Both formats are read.

    Raises ValueError for a text that is in neither.
    """
    families: dict[str, _Family] = {}
    for service, text in expositions:
        for metric in _read(text):
            if kinds is not None and metric.type not in kinds:
                continue
            family = families.setdefault(metric.name, _Family(metric))
            for sample in metric.samples:
                family.add(service, sample)
    merged = _Merged(family.to_metric() for family in families.values())
    if not is_open:
        return generate_latest(merged)
    written: bytes = openmetrics_exposition.generate_latest(merged)  # type: ignore[no-untyped-call]  # it has no annotations
    return written


def _read(text: bytes) -> Iterable[Metric]:
    read: Callable[[str], Iterable[Metric]] = read_open_metrics if text.endswith(LAST_LINE) else read_text
    return read(text.decode())


class _Family:
    """All samples of one metric name; its type and help are those seen first."""

    def __init__(self, metric: Metric) -> None:
        self._metric = Metric(metric.name, metric.documentation, metric.type)
        self._values: dict[SampleKey, float] = {}
        self._exemplars: dict[SampleKey, Exemplar] = {}

    def add(self, service: str, sample: Sample) -> None:
        labels = {**sample.labels, "service": service}
        key = (sample.name, tuple(sorted(labels.items())))
        self._note_exemplar(key, sample.exemplar)
        known = self._values.get(key)
        if known is None:
            self._values[key] = sample.value
        elif sample.name.endswith(MOMENTS):
            self._values[key] = min(known, sample.value)
        else:
            self._values[key] = known + sample.value

    def to_metric(self) -> Metric:
        for (name, labels), value in self._values.items():
            self._metric.add_sample(name, dict(labels), value, exemplar=self._exemplars.get((name, labels)))
        return self._metric

    def _note_exemplar(self, key: SampleKey, exemplar: Exemplar | None) -> None:
        """Of several the newest is kept."""
        if exemplar is None:
            return
        known = self._exemplars.get(key)
        if known is None or float(known.timestamp or 0) < float(exemplar.timestamp or 0):
            self._exemplars[key] = exemplar


class _Merged(Collector):
    """What `generate_latest` takes instead of a registry."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)
