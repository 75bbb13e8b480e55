"""Counters and histograms as Prometheus reads them."""

import asyncio

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families

from chassis.build import REVISION, VERSION
from chassis.context import TraceContext
from chassis.loop_lag import LoopLag
from chassis.metrics import Metrics
from chassis.testing import FakeClock


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


TRACED = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)


def exemplars_of(metrics: Metrics) -> dict[str, tuple[str, float]]:
    """Of each bucket the trace and the value, as a scraper that speaks OpenMetrics reads them."""
    return {
        sample.labels["le"]: (sample.exemplar.labels["trace_id"], sample.exemplar.value)
        for family in read_open_metrics(metrics.open_exposition().decode())
        for sample in family.samples
        if sample.exemplar is not None
    }


def test_a_bucket_shows_the_trace_of_its_last_sampled_value():
    metrics = Metrics()
    seconds = metrics.histogram("seconds", "Time", buckets=(1, 5)).labels()
    for value in (0.5, 7.0, 0.25):
        seconds.observe(value)
        seconds.exemplify(value, TRACED)
    seconds.observe(3.0)  # not sampled
    assert exemplars_of(metrics) == {"1.0": (TRACED.trace_id, 0.25), "+Inf": (TRACED.trace_id, 7.0)}
    assert b"trace_id" not in metrics.exposition()


def test_all_that_is_registered_is_described():
    metrics = Metrics()
    metrics.counter("calls", "Calls", ("code",))
    metrics.histogram("token_usage", "Tokens", ("kind",), namespace="gen_ai")
    assert metrics.described[-2:] == [
        ("runestone_calls_total", "counter", ("code",), "Calls"),
        ("gen_ai_token_usage", "histogram", ("kind",), "Tokens"),
    ]


def test_every_process_says_which_build_it_is():
    text = Metrics().exposition().decode()
    assert f'runestone_build_info{{revision="{REVISION}",version="{VERSION}"}} 1.0' in text


async def test_the_lag_of_a_loop_is_what_a_timer_came_too_late():
    clock, naps = FakeClock(), []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            raise asyncio.CancelledError
        clock.advance(seconds + 0.2)

    metrics = Metrics()
    with pytest.raises(asyncio.CancelledError):
        await LoopLag(metrics, clock, sleep=sleep).watch()
    text = metrics.exposition().decode()
    assert "runestone_loop_lag_seconds_count 2.0" in text
    assert 'runestone_loop_lag_seconds_bucket{le="0.1"} 0.0' in text
    assert 'runestone_loop_lag_seconds_bucket{le="0.25"} 2.0' in text
