"""A table of calls can be read on any terminal: whole cells, in one line a call."""

import io

import pytest
from rich.console import Console

from launcher.cli.audit_table import GAP, LONGEST_CELL, SELDOM, TITLES, choose_columns, draw_records

RECORD = {
    "started_at": "2026-01-31T12:00:00.500Z",
    "request_id": "req_01kxyzabcdefghjkmnpqrstvwx",
    "tenant": "acme",
    "model": "openai/gpt-4o-mini",
    "status": 503,
    "duration_ms": 12.345,
    "cost_usd": 0.000123,
    "cost_is_estimated": False,
    "cache": None,
    "error_reason": "PROVIDER_UNREACHABLE",
}
LED = {"route": "smart", "why": "failover", "experiment": "tone", "arm": "new", "failed_attempts": [{}, {}]}


def draw(width: int, *, fits: int | None, **members: object) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(draw_records([{**RECORD, **members}], fits), crop=False)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [200, 120, 100, 80, 60, 40, 20])
def test_a_call_is_one_line_that_fits_and_holds_its_request_id_whole(width):
    lines = draw(width, fits=width)
    assert len(lines) == 2
    assert RECORD["request_id"] in lines[1]
    assert len(lines[1]) <= max(width, len(RECORD["request_id"]))


def test_eighty_columns_hold_when_which_and_how_it_ended():
    assert {"2026-01-31 12:00:00", "503"} <= set(draw(80, fits=80)[1].split("  "))


def test_what_is_no_terminal_gets_every_column():
    """A pipe has no width to fit."""
    (titles, line) = draw(500, fits=None, **LED)
    assert all(title in titles for title in TITLES.values())
    assert "PROVIDER_UNREACHABLE" in line


def test_where_a_call_was_led_and_what_failed_is_told_in_a_word():
    assert {"smart", "tone=new", "failover", "2"} <= set(draw(500, fits=None, **LED)[1].split())


@pytest.mark.parametrize(
    "nothing", [{}, {"route": RECORD["model"], "why": "", "experiment": "", "arm": "", "failed_attempts": []}]
)
def test_a_column_of_what_seldom_happens_is_there_only_where_it_did(nothing):
    titles = draw(500, fits=None, **nothing)[0]
    assert not [name for name in SELDOM if TITLES[name] in titles.split()]


def test_a_long_name_is_shortened_and_means_no_markup():
    line = draw(500, fits=None, model="[bold]" + "m" * 250)[1]
    assert "[bold]" + "m" * (LONGEST_CELL - 7) + "…" in line


@pytest.mark.parametrize(
    ("members", "cell"),
    [
        ({}, "0.000123"),
        ({"cost_is_estimated": True}, "~0.000123"),
        ({"cost_usd": 0.0}, "0"),
        ({"cost_usd": 12.5}, "12.5"),
        ({"cost_usd": 1e-09}, "0.000000001"),
    ],
)
def test_a_cost_is_a_plain_number_of_dollars_and_says_when_it_was_estimated(members, cell):
    assert cell in draw(500, fits=None, **members)[1].split()


def test_a_cost_that_nobody_knows_is_no_zero():
    assert "0" not in draw(500, fits=None, cost_usd=None, cost_is_estimated=None)[1].split()


@pytest.mark.parametrize("spare", [0, -1])
def test_a_column_goes_only_when_it_must(spare):
    widths = dict.fromkeys(TITLES, 10)
    whole = 10 * len(widths) + GAP * (len(widths) - 1)
    gone = set(widths) - set(choose_columns(widths, whole + spare))
    assert gone == (set() if spare == 0 else {"why"})
