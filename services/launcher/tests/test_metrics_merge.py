import pytest
from prometheus_client.parser import text_string_to_metric_families

from chassis.metrics import Metrics
from launcher.merge import merge_expositions


def worker(calls: int, seconds: float) -> bytes:
    metrics = Metrics()
    metrics.counter("calls", "Calls", ("code",)).labels("OK").inc(calls)
    metrics.histogram("seconds", "Time", buckets=(1, 5)).observe(seconds)
    metrics.gauge("running", "Running").set(calls)
    return metrics.exposition()


def read(text: bytes) -> dict:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_workers_of_a_service_are_summed():
    samples = read(merge_expositions([("edge", worker(2, 0.5)), ("edge", worker(3, 4))]))
    edge = ("service", "edge")
    assert samples["runestone_calls_total", ("code", "OK"), edge] == 5
    assert samples["runestone_running", edge] == 5
    assert samples["runestone_seconds_bucket", ("le", "1.0"), edge] == 1
    assert samples["runestone_seconds_bucket", ("le", "+Inf"), edge] == 2
    assert samples["runestone_seconds_count", edge] == 2
    assert samples["runestone_seconds_sum", edge] == 4.5


def test_services_are_kept_apart():
    samples = read(merge_expositions([("edge", worker(2, 1)), ("cache", worker(3, 1))]))
    assert samples["runestone_calls_total", ("code", "OK"), ("service", "edge")] == 2
    assert samples["runestone_calls_total", ("code", "OK"), ("service", "cache")] == 3


def test_each_metric_is_described_once():
    text = merge_expositions([("edge", worker(1, 1)), ("cache", worker(1, 1))]).decode()
    assert text.count("# TYPE runestone_calls_total counter") == 1
    assert text.count("# TYPE runestone_seconds histogram") == 1


def test_moments_are_not_added_up():
    """The start of two workers is the start of the first."""
    texts = [b"# TYPE x_start_time_seconds gauge\nx_start_time_seconds %d\n" % moment for moment in (1000, 2000)]
    samples = read(merge_expositions([("edge", text) for text in texts]))
    assert samples["x_start_time_seconds", ("service", "edge")] == 1000


def test_label_values_come_through_unharmed():
    odd = 'a"b\\c\nd'
    metrics = Metrics()
    metrics.gauge("odd", "Odd", ("name",)).labels(odd).set(1)
    assert read(merge_expositions([("edge", metrics.exposition())]))[
        "runestone_odd", ("name", odd), ("service", "edge")
    ]


def test_nothing_to_merge_is_an_empty_exposition():
    assert merge_expositions([]) == b""


def test_a_text_that_is_no_exposition_is_an_error():
    with pytest.raises(ValueError):
        merge_expositions([("edge", b"{not metrics")])
