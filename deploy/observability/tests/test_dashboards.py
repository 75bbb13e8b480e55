"""Dashboards are what Grafana takes, ask for what there is, and lead on."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from dashboards.grafana import COLUMNS, RUNBOOKS
from dashboards.pages import FOLDER, PAGES, texts
from reading.known import labels_of, metrics
from reading.queries import asked_by, named_in

RUNBOOK_PAGES = FOLDER.parents[3] / "docs" / "runbooks"
BOARDS = {page.name: json.loads((FOLDER / f"{page.name}.json").read_text()) for page in PAGES}
CHOSEN = {"namespace", "service", "tenant", "provider", "model", "datasource"}


def panels_of(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each query with its board's name and its panel."""
    for name, board in BOARDS.items():
        for panel in panels_of(board):
            for target in panel["targets"]:
                yield name, panel, target


def test_files_are_what_is_written_today():
    """`make dashboards` writes them anew."""
    assert {path: path.read_text() for path in FOLDER.glob("*.json")} == texts()


def test_every_query_asks_for_series_and_labels_that_there_are():
    for name, panel, target in queries():
        asked = list(asked_by(target["expr"]))
        assert asked, (name, panel["title"])
        for one in asked:
            assert one.metric in metrics(), (name, panel["title"], one.metric)
            assert one.labels - labels_of(one.metric) == set(), (name, panel["title"], one.metric)


def test_legends_name_what_the_query_keeps():
    for name, panel, target in queries():
        if target["legendFormat"] == "__auto":
            continue
        kept = set.union(*(set(one.labels) for one in asked_by(target["expr"])))
        assert named_in(target["legendFormat"]) <= kept, (name, panel["title"], target["legendFormat"])


def test_every_query_is_bound_to_what_was_chosen():
    for name, board in BOARDS.items():
        offered = {one["name"] for one in board["templating"]["list"]}
        assert {"datasource", "namespace"} <= offered <= CHOSEN
        text = "".join(target["expr"] for panel in panels_of(board) for target in panel["targets"])
        assert {one for one in offered if f"${one}" not in text} <= {"datasource"}, name
    for name, panel, target in queries():
        assert 'namespace=~"$namespace"' in target["expr"], (name, panel["title"])


def test_every_panel_says_what_it_means_and_in_which_unit():
    for name, board in BOARDS.items():
        for panel in panels_of(board):
            assert len(panel["description"]) > 6, (name, panel["title"])
            assert panel["fieldConfig"]["defaults"]["unit"], (name, panel["title"])


def test_runbooks_that_are_linked_are_there():
    links = {link["url"] for _name, panel, _target in queries() for link in panel["links"]}
    assert len(links) > 15
    for url in links:
        assert url.startswith(f"{RUNBOOKS}/")
        assert (RUNBOOK_PAGES / url.rpartition("/")[2]).is_file(), url


def test_latencies_lead_to_traces():
    for name in ("overview", "providers"):
        times = [target for _, panel, target in queries() if _ == name and panel["title"].startswith("Time to")]
        assert times
        assert all(target["exemplar"] for target in times)


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_numbers_of_their_own_and_do_not_overlap(name):
    board = BOARDS[name]
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        grid = panel["gridPos"]
        assert 0 <= grid["x"] < grid["x"] + grid["w"] <= COLUMNS
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert taken.isdisjoint(cells), panel["title"]
        taken |= cells
        assert len({target["refId"] for target in panel.get("targets", [])}) == len(panel.get("targets", []))


def test_boards_can_be_told_apart_and_lead_to_each_other():
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)
    for board in BOARDS.values():
        assert board["schemaVersion"] >= 39
        assert board["links"][0]["tags"] == board["tags"] == ["runestone"]
        assert len(board["uid"]) <= 40  # Grafana's bound
