"""CPU and memory are those of the whole tree, whatever its processes are called and whether or not they still live."""

import pytest

from bench.accounting import Member, core_busy_seconds, name_process, parse_pss, parse_stat, pick_tree

STAT = (
    "4242 ({name}) S 17 4242 4242 0 -1 4194560 1000 2000 0 0 "
    "11 22 33 44 20 0 3 0 987654 592096000 15000 18446744073709551615"
)


def member(pid: int, parent: int) -> Member:
    return Member(pid=pid, parent=parent, started=pid, ticks=1)


@pytest.mark.parametrize("name", ["python", "tmux: server", "a) S 1 (b", ")"])
def test_a_process_is_read_whatever_it_is_called(name):
    """A process chooses its own name, and may put what looks like fields into it."""
    found = parse_stat(STAT.format(name=name))
    assert (found.pid, found.parent, found.started) == (4242, 17, 987654)


def test_the_time_of_children_that_ended_counts():
    """Own user and system time, and that of those waited for: a restarted worker's work is not lost."""
    assert parse_stat(STAT.format(name="x")).ticks == 11 + 22 + 33 + 44


def test_a_tree_is_the_root_and_all_below_it():
    members = [member(5, 3), member(3, 2), member(2, 1), member(9, 1), member(4, 2)]
    assert [found.pid for found in pick_tree(members, 2)] == [2, 3, 4, 5]


def test_the_tree_of_a_process_that_is_gone_is_empty():
    """Its children were given to another, and are not counted as if it still had them."""
    assert pick_tree([member(3, 2)], 2) == []


def test_pss_is_the_line_of_that_name():
    """Not the sum of every line that contains it."""
    text = "5581 - 7ffd [rollup]\nRss:  900 kB\nPss:  123 kB\nPss_Dirty: 99 kB\nPss_Anon: 88 kB\nSwapPss: 77 kB\n"
    assert parse_pss(text) == 123


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"/venv/bin/python\0-m\0gateway_edge\0--control\0unix:/tmp/c.sock\0", "gateway_edge"),
        (b"/venv/bin/python\0/venv/bin/litellm\0--port\x004000\0", "litellm"),
        (b"/usr/bin/node\0-r\0/x/loopback.cjs\0/x/start-server.js\0--headless\0", "start-server.js"),
        (b"nginx: worker process\0\0\0", "nginx"),
        (b"/x/_bin/envoy\0-c\0/tmp/envoy.yaml\0", "envoy"),
        (b"/venv/bin/python\0-m\0", "python"),
        (b"", "?"),
    ],
)
def test_a_process_is_named_after_what_it_runs(line, name):
    assert name_process(line) == name


def test_a_core_is_busy_when_it_neither_idles_nor_waits():
    """Stolen time counts: it was not there for the gateway. Fields are those of proc(5), ticks of 10 ms."""
    text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 100 10 50 7777 888 5 5 30 40 0\ncpu10 1 1 1 1 1 1 1 1 1 1\n"
    assert core_busy_seconds(0, read=lambda: text) * 100 == pytest.approx(200)


def test_a_core_that_is_not_there_is_an_error():
    with pytest.raises(LookupError):
        core_busy_seconds(1, read=lambda: "cpu  1 1 1 1 1 1 1 1\ncpu0 1 1 1 1 1 1 1 1\ncpu11 1 1 1 1 1 1 1 1\n")
