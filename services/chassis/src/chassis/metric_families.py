"""Counters and histograms that cost a fifth of prometheus-client's: no lock, as a service has one thread, and nothing is
summed or named before it is asked for. Every call of a middleware and every rpc is counted."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

Child = TypeVar("Child")
Measured = Iterable[tuple[Sequence[str], float]]  # a value by those of the labels


class Count:
    """One label set of a counter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Adds `amount`, which is not negative."""
        self.value += amount


class Distribution:
    """One label set of a histogram."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Counts one value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class _Family(Generic[Child]):
    """A metric by its label values."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str], make: Callable[[], Child]) -> None:
        self._name = name
        self._help = help_text
        self._labels = tuple(labels)
        self._make = make
        self._children: dict[tuple[object, ...], Child] = {}
        if not labels:
            self.labels()

    def labels(self, *values: object) -> Child:
        """The child under these label values, which are shown as strings."""
        child = self._children.get(values)
        if child is None:
            if len(values) != len(self._labels):
                raise ValueError(f"{self._name} has the labels {self._labels}")
            child = self._children[values] = self._make()
        return child

    def _each(self) -> Iterable[tuple[list[str], Child]]:
        return [([str(value) for value in values], child) for values, child in self._children.items()]


class Counter(_Family[Count]):
    """A number that only grows."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str]) -> None:
        super().__init__(name, help_text, labels, Count)

    def inc(self, amount: float = 1) -> None:
        """Adds to a counter without labels."""
        self.labels().inc(amount)

    def describe(self) -> Iterable[CounterMetricFamily]:
        """For the registry: name without samples."""
        return [CounterMetricFamily(self._name, self._help, labels=self._labels)]

    def collect(self) -> Iterable[CounterMetricFamily]:
        """For the registry: all samples."""
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for values, child in self._each():
            family.add_metric(values, child.value)
        return [family]


class Histogram(_Family[Distribution]):
    """A distribution in buckets."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        super().__init__(name, help_text, labels, lambda: Distribution(self._bounds))

    def observe(self, value: float) -> None:
        """Counts one value of a histogram without labels."""
        self.labels().observe(value)

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """For the registry: name without samples."""
        return [HistogramMetricFamily(self._name, self._help, labels=self._labels)]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """For the registry: all samples."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for values, child in self._each():
            family.add_metric(values, list(zip(names, accumulate(child.counts), strict=True)), child.total)
        return [family]


class Survey:
    """A number that is measured when it is asked for, under label values that come and go."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str], measure: Callable[[], Measured]) -> None:
        self._name = name
        self._help = help_text
        self._labels = tuple(labels)
        self._measure = measure

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """For the registry: name without samples."""
        return [GaugeMetricFamily(self._name, self._help, labels=self._labels)]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """For the registry: all samples."""
        family = GaugeMetricFamily(self._name, self._help, labels=self._labels)
        for values, number in self._measure():
            family.add_metric(values, number)
        return [family]
