"""Counters and histograms as Prometheus reads them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chassis.metrics import Metrics


def read(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_a_counter_adds_up_for_each_label_set() -> None:
    metrics = Metrics()
    calls = metrics.counter("calls", "Calls", ("path", "status"))
    calls.labels("/a", 200).inc()
    calls.labels("/a", 200).inc(2)
    calls.labels("/b\n", 500).inc()
    seen = read(metrics)
    assert seen["runestone_calls_total", (("path", "/a"), ("status", "200"))] == 3
    assert seen["runestone_calls_total", (("path", "/b\n"), ("status", "500"))] == 1


def test_a_counter_without_labels_is_there_from_the_start() -> None:
    metrics = Metrics()
    counter = metrics.counter("things", "Things")
    assert read(metrics)["runestone_things_total", ()] == 0
    counter.inc()
    assert read(metrics)["runestone_things_total", ()] == 1


def test_a_histogram_counts_into_buckets() -> None:
    metrics = Metrics()
    histogram = metrics.histogram("seconds", "Seconds", buckets=(1, 2))
    for value in (0.5, 1, 1.5, 9):
        histogram.observe(value)
    seen = read(metrics)
    assert [seen["runestone_seconds_bucket", (("le", bound),)] for bound in ("1.0", "2.0", "+Inf")] == [2, 3, 4]
    assert seen["runestone_seconds_sum", ()] == 12


def test_missing_label_values_are_an_error() -> None:
    with pytest.raises(ValueError, match="has the labels"):
        Metrics().counter("calls", "Calls", ("path",)).labels()


def test_a_survey_tells_what_is_there_when_it_is_asked() -> None:
    """Label values that are gone are not told any more."""
    metrics, there = Metrics(), {"a": 1.0, "b": 2.0}
    metrics.survey("rooms", "Rooms", ("name",), lambda: [([name], number) for name, number in there.items()])
    assert {key: value for key, value in read(metrics).items() if "rooms" in key[0]} == {
        ("runestone_rooms", (("name", "a"),)): 1,
        ("runestone_rooms", (("name", "b"),)): 2,
    }
    del there["a"]
    assert [key for key in read(metrics) if "rooms" in key[0]] == [("runestone_rooms", (("name", "b"),))]
