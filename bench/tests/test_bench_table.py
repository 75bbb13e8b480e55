"""The table and the sentence are made of the figures, and of nothing else."""

import pytest

from bench.figures import Row
from bench.headline import describe_ratio, write_headline
from bench.report import replace_between
from bench.table import COLUMNS, number, spread, write_caption, write_processes, write_table


def row(name: str, **more: object) -> Row:
    return Row(name=name, **more)


def cells(table: str, target: str) -> dict[str, str]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return next(dict(zip(lines[0], line, strict=True)) for line in lines[2:] if line[0] == target)


DIRECT = row("direct", latencies=[0.001] * 100, first_parts=[0.002] * 100)
OURS = row(
    "runestone",
    version="abc",
    command="python -m launcher up",
    figures={"unary µs": [500.0, 480.0, 520.0], "cached µs": [60.0], "burst µs": [10.0], "unary/s": [2000.0]},
    latencies=[0.003] * 100,
    first_parts=[0.012] * 100,
    stalled=3,
    idle={"gateway_edge": [40.0, 42.0, 41.0], "launcher": [20.0]},
)
PEER = row("LiteLLM", version="1.2", figures={"unary µs": [8500.0], "cached µs": [6000.0]}, first_parts=[0.002] * 10)


def test_each_figure_is_the_median_with_its_range():
    assert cells(write_table([OURS]), "runestone")["unary µs"] == "500 (480-520)"


def test_a_single_round_has_no_range():
    assert cells(write_table([OURS]), "runestone")["cached µs"] == "60"


def test_latency_is_what_is_added_to_direct_of_the_same_run():
    found = cells(write_table([DIRECT, OURS]), "runestone")
    assert (found["25/s: p50 ms"], found["first chunk p99 ms"]) == ("+2.00", "+10.00")


def test_without_direct_nothing_is_a_difference():
    assert cells(write_table([OURS]), "runestone")["25/s: p50 ms"] == "-"


def test_a_throughput_that_the_load_may_have_limited_is_a_lower_bound():
    bound = row("x", figures={"unary/s": [9000.0], "unary µs": [17.0]}, bound={"unary/s"})
    assert cells(write_table([bound]), "x")["unary/s"] == "≥ 9,000"
    assert cells(write_table([bound]), "x")["unary µs"] == "17"


def test_stalls_are_a_share_of_the_paced_streams():
    assert cells(write_table([OURS]), "runestone")["stalled %"] == "3.0"
    assert cells(write_table([row("x")]), "x")["stalled %"] == "-"


def test_every_line_has_every_column():
    lines = write_table([DIRECT, OURS, PEER, row("left out")]).splitlines()
    assert {line.count("|") for line in lines} == {len(COLUMNS) + 2}


def test_memory_is_told_by_process_and_imports_where_they_are_known():
    table = write_processes([OURS], {"gateway_edge": 0.25})
    assert "| runestone | gateway_edge | 41 (40-42) | 250 |" in table
    assert "| runestone | launcher | 20 | - |" in table


def test_the_caption_says_what_ran_and_what_could_not():
    out = row("portkey", notes=["npm is not installed"])
    caption = write_caption([DIRECT, OURS, out], "2 cores", 3, 0.42)
    assert "Medians of 3 rounds" in caption
    assert "runestone abc: `python -m launcher up`" in caption
    assert "portkey: not measured: npm is not installed" in caption
    assert "latency p50 1.00 ms" in caption
    assert "up to 42% of the gateway's core" in caption


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0312, "0.0312"), (9.876, "9.88"), (99.9, "99.9"), (100.4, "100"), (12345.6, "12,346")]
)
def test_a_number_has_three_figures_and_no_invented_ones(value, shown):
    assert number(value) == shown


def test_no_values_are_shown_as_none():
    assert spread([]) == "-"


def test_the_sentence_is_the_ratio_of_the_medians():
    sentence = write_headline([DIRECT, OURS, PEER], ["LiteLLM"])
    assert sentence is not None
    assert "17 times as many uncached calls, 100 times as many cached calls as with LiteLLM 1.2." in sentence
    assert "500 CPU-µs for an uncached call and 60 CPU-µs for a cached one" in sentence


def test_a_rival_that_was_left_out_is_not_compared_with():
    assert write_headline([OURS, row("LiteLLM", notes=["npm is not installed"])], ["LiteLLM"]) is None
    assert write_headline([PEER], ["LiteLLM"]) is None


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (16.6, "17 times as many"),
        (2.14, "2.1 times as many"),
        (1.02, "as many"),
        (0.97, "as many"),
        (0.304, "0.30 times as many"),
    ],
)
def test_a_ratio_is_not_made_to_look_better_than_it_is(ratio, said):
    assert describe_ratio(ratio) == said


def test_only_what_is_between_the_markers_changes():
    document = (
        "before\n<!-- bench -->\nold\n<!-- bench: end -->\nafter <!-- bench: headline -->x<!-- bench: headline: end -->"
    )
    replaced = replace_between(document, "bench", "new")
    assert replaced == document.replace("old", "new")
    assert replace_between(replaced, "bench", "new") == replaced


@pytest.mark.parametrize("document", ["", "<!-- bench -->", "<!-- bench: end -->"])
def test_a_document_without_markers_is_left_alone(document):
    with pytest.raises(ValueError, match="no <!-- bench -->"):
        replace_between(document, "bench", "new")
