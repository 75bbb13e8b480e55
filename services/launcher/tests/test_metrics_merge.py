import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Exemplar

from chassis.metrics import Metrics
from launcher.merge import LastWords, merge_expositions


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


@pytest.mark.parametrize("name", ["x_start_time_seconds", "tls_certificate_expiry_timestamp_seconds"])
def test_moments_are_not_added_up(name: str):
    """The start of two workers is the start of the first, and of two certificates the one that ends first matters."""
    texts = [f"# TYPE {name} gauge\n{name} {moment}\n".encode() for moment in (1000, 2000)]
    samples = read(merge_expositions([("edge", text) for text in texts]))
    assert samples[name, ("service", "edge")] == 1000


def test_label_values_come_through_unharmed():
    odd = 'a"b\\c\nd'
    metrics = Metrics()
    metrics.gauge("odd", "Odd", ("name",)).labels(odd).set(1)
    assert read(merge_expositions([("edge", metrics.exposition())]))[
        "runestone_odd", ("name", odd), ("service", "edge")
    ]


def total(words: LastWords, name: str, *labels: tuple[str, str]) -> float:
    return read(merge_expositions(words.list_expositions()))[name, *labels, ("service", "edge")]


def calls_of(words: LastWords) -> float:
    return total(words, "runestone_calls_total", ("code", "OK"))


def test_a_process_that_does_not_answer_stays_in_the_sum():
    words = LastWords()
    words.note("edge-0", "edge", 1, worker(5, 1))
    words.note("edge-1", "edge", 2, worker(3, 1))
    words.note("edge-1", "edge", 2, worker(4, 1))  # edge-0 hangs: it has no new word
    assert calls_of(words) == 9


def test_what_a_dead_process_counted_stays_in_the_sum_and_its_gauges_do_not():
    words = LastWords()
    words.note("edge-0", "edge", 1, worker(5, 4))
    words.note("edge-0", "edge", 2, worker(1, 0.5))
    words.note("edge-0", "edge", 3, worker(2, 0.5))
    assert calls_of(words) == 8
    assert total(words, "runestone_running") == 2
    assert total(words, "runestone_seconds_bucket", ("le", "1.0")) == 2
    assert total(words, "runestone_seconds_count") == 3


def test_an_answer_of_the_dead_that_comes_late_counts_nothing_twice():
    words = LastWords()
    words.note("edge-0", "edge", 1, worker(5, 1))
    words.note("edge-0", "edge", 2, worker(1, 1))
    words.note("edge-0", "edge", 1, worker(5, 1))
    words.note("edge-0", "edge", 2, worker(2, 1))
    assert calls_of(words) == 7


counted = st.integers(0, 9)
lives = st.lists(st.tuples(st.sampled_from(["edge-0", "edge-1"]), st.booleans(), counted), max_size=12)


@given(lives)
def test_a_sum_never_falls_and_is_what_all_processes_counted(story):
    """Each step: a part counts some more, in a new process or in the one it has."""
    words, pids, counts, sums = LastWords(), {}, {}, [0.0]
    for number, (part, is_restarted, more) in enumerate(story):
        if is_restarted or part not in pids:
            pids[part] = number
        counts[part, pids[part]] = counts.get((part, pids[part]), 0) + more
        words.note(part, "edge", pids[part], b"# TYPE c_total counter\nc_total %d\n" % counts[part, pids[part]])
        sums.append(total(words, "c_total"))
    assert sums == sorted(sums)
    assert sums[-1] == sum(counts.values())


def test_nothing_to_merge_is_an_empty_exposition():
    assert merge_expositions([]) == b""


def test_a_text_that_is_no_exposition_is_an_error():
    with pytest.raises(ValueError):
        merge_expositions([("edge", b"{not metrics")])


def traced(value: float, trace: str, at: float) -> bytes:
    """A worker's exposition, whose one value has a trace."""
    metrics = Metrics()
    seconds = metrics.histogram("seconds", "Time", buckets=(1, 5)).labels()
    seconds.observe(value)
    seconds.exemplars = {0: Exemplar({"trace_id": trace}, value, at)}
    return metrics.open_exposition()


def exemplar_in(text: bytes) -> tuple[str, float]:
    (found,) = [
        sample.exemplar
        for family in read_open_metrics(text.decode())
        for sample in family.samples
        if sample.exemplar is not None
    ]
    return found.labels["trace_id"], found.value


def test_of_the_exemplars_of_a_bucket_the_newest_is_kept_whoever_comes_first():
    older, newer = traced(0.5, "aa", 1_000.0), traced(0.25, "bb", 2_000.0)
    for texts in ((older, newer), (newer, older)):
        merged = merge_expositions([("edge", text) for text in texts], is_open=True)
        assert exemplar_in(merged) == ("bb", 0.25)
        assert b'runestone_seconds_count{service="edge"} 2.0' in merged


def test_who_does_not_ask_for_open_metrics_gets_the_same_numbers_without_exemplars():
    text = merge_expositions([("edge", traced(0.5, "aa", 1_000.0))])
    assert b"aa" not in text
    assert read(text)["runestone_seconds_count", ("service", "edge")] == 1


def test_a_dead_process_keeps_its_exemplars_until_a_newer_one_comes():
    words = LastWords()
    words.note("edge-0", "edge", 1, traced(0.5, "aa", 1_000.0))
    words.note("edge-0", "edge", 2, Metrics().open_exposition())
    assert exemplar_in(merge_expositions(words.list_expositions(), is_open=True)) == ("aa", 0.5)


def test_both_formats_come_together():
    texts = [("edge", worker(2, 0.5)), ("edge", traced(4, "aa", 1_000.0))]
    assert read(merge_expositions(texts))["runestone_seconds_count", ("service", "edge")] == 2
