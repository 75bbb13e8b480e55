"""Several replicas' statistics as one, for scripts and for people."""

import io

import pytest
from rich.console import Console

from launcher.cache_report import COUNTS, STOCK, add_up, describe_cache, divide_hits, list_counts
from launcher.cli.cache_commands import spell_counts
from launcher.cli.cache_table import draw_cache, spell_size
from launcher.replica_desk import Asked
from runestone.cache.v1.cache_pb2 import GetStatisticsResponse


def statistics(store: str, start: int) -> GetStatisticsResponse:
    """Every count different."""
    return GetStatisticsResponse(store=store, **{name: start + place for place, name in enumerate(COUNTS)})


def test_counts_of_memories_are_summed():
    one, other = statistics("memory", 100), statistics("memory", 2000)
    total = add_up([one, other])
    assert {name: getattr(total, name) for name in COUNTS} == {
        name: getattr(one, name) + getattr(other, name) for name in COUNTS
    }


def test_what_a_shared_store_holds_is_counted_once():
    """Both replicas see the same entries, a moment apart."""
    one, other = statistics("redis", 100), statistics("redis", 101)
    total = add_up([one, other])
    assert {name for name in COUNTS if getattr(total, name) == getattr(other, name)} == STOCK
    assert total.hits == one.hits + other.hits


def test_one_replica_is_its_own_sum():
    one = statistics("redis", 5)
    one.encrypted = True
    assert add_up([one]) == one


def test_answers_of_some_are_encrypted_when_one_replica_says_so():
    assert add_up([GetStatisticsResponse(encrypted=True), GetStatisticsResponse()]).encrypted


@pytest.mark.parametrize(
    ("counts", "ratio"),
    [
        ({}, None),
        ({"misses": 3}, 0.0),
        ({"hits": 1, "misses": 2}, 0.3333),
        ({"hits": 1, "near_hits": 2, "misses": 1, "coalesced": 1}, 0.75),
        ({"hits": 1, "near_hits": 1, "misses": 1, "near_misses": 5}, 0.25),
    ],
)
def test_the_share_of_hits_is_over_all_look_ups_and_null_before_the_first(counts, ratio):
    """A coalesced answer was looked up and missed."""
    assert divide_hits(GetStatisticsResponse(**counts)) == ratio


def test_a_script_reads_the_sum_each_replica_and_who_is_missing():
    asked = Asked({"cache-0": statistics("memory", 1)}, {"cache-1": "gone"})
    said = describe_cache(asked)
    names = {field.name for field in GetStatisticsResponse.DESCRIPTOR.fields}
    assert names - {"saved_nano_usd"} | {"saved_usd"} < set(said)
    assert said["replicas"] == {"cache-0": list_counts(asked.answers["cache-0"])}
    assert said["failures"] == {"cache-1": "gone"}


def test_what_was_saved_is_in_dollars():
    replicas = [GetStatisticsResponse(store="redis", saved_nano_usd=nano) for nano in (1_000_000_000, 500_000_000)]
    said = describe_cache(Asked({"a": replicas[0], "b": replicas[1]}, {}))
    assert (said["saved_usd"], said["replicas"]["b"]["saved_usd"]) == (1.5, 0.5)
    assert "saved_nano_usd" not in said


def draw(*replicas: GetStatisticsResponse) -> list[str]:
    """The lines, without what stands for alignment."""
    console = Console(file=io.StringIO(), width=120)
    console.print(draw_cache(add_up(replicas), {f"cache-{number}": one for number, one in enumerate(replicas)}))
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_a_reader_sees_shares_of_bounds_and_units():
    one = GetStatisticsResponse(
        store="memory",
        entries=1200,
        max_entries=10_000,
        bytes=3 << 20,
        max_bytes=256 << 20,
        hits=30,
        near_hits=60,
        misses=10,
        saved_output_tokens=1_234_567,
        saved_nano_usd=1_204_500_000,
    )
    lines = draw(one)
    assert lines[0] == "answer cache memory"
    assert "hit rate 90.0% of 100 look-ups" in lines
    assert "hits 90, 60 of them out of edges' copies" in lines
    assert "entries 1,200 of 10,000" in lines
    assert "bytes 3.0 MiB of 256.0 MiB (1.2%)" in lines
    assert "saved tokens 0 in, 1,234,567 out" in lines
    assert "saved dollars 1.2045" in lines
    assert not any(line.startswith("replica") for line in lines)


def test_a_store_that_bounds_itself_has_no_share():
    lines = draw(GetStatisticsResponse(store="redis", entries=7, bytes=2048, encrypted=True))
    assert lines[0] == "answer cache redis, encrypted"
    assert {"entries 7", "bytes 2.0 KiB", "hit rate nobody has asked yet"} < set(lines)


def test_several_replicas_are_shown_each_as_well():
    lines = draw(GetStatisticsResponse(store="memory", entries=3), GetStatisticsResponse(store="memory", entries=4))
    assert lines[0] == "answer cache memory, 2 replicas"
    assert "entries 7" in lines
    assert [line.split()[:2] for line in lines[-2:]] == [["cache-0", "3"], ["cache-1", "4"]]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), ((1 << 30) - 1, "1,024.0 MiB"), (1 << 60, "1,048,576.0 TiB")],
)
def test_sizes_have_units(size, text):
    assert spell_size(size) == text


@pytest.mark.parametrize(
    ("counts", "text"),
    [({"cache": 1}, "1 answer"), ({"cache": 1200}, "1,200 answers"), ({"a": 2, "b": 0}, "2 answers (a 2, b 0)")],
)
def test_what_was_purged_is_told_by_replica_where_there_are_several(counts, text):
    assert spell_counts(counts) == text
