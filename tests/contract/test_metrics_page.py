"""The page about metrics says what the services expose."""

import re

from contract.metric_table import PAGE, list_metrics, read_tables, write_tables

NAME = re.compile(r"(runestone|gen_ai)(_[a-z0-9]+)+")
# Of what a client sends no label may be made: neither ids nor texts.
UNBOUNDED = {"request_id", "trace_id", "path", "url", "user", "client_address", "message", "query"}


async def test_every_metric_is_on_the_page_with_its_type_labels_and_meaning() -> None:
    """`python -m contract.metric_table` writes it anew."""
    assert read_tables() == write_tables(await list_metrics())


async def test_metrics_are_named_as_prometheus_has_it_and_labelled_by_what_is_bounded() -> None:
    for of_service in (await list_metrics()).values():
        for one in of_service.values():
            assert NAME.fullmatch(one.name), one
            assert one.name.endswith("_total") == (one.kind == "counter"), one
            assert UNBOUNDED.isdisjoint(one.labels), one
            assert "service" not in one.labels, f"{one.name}: the port that shows it says there whose it is"
            assert one.meaning[:1].isupper() or one.meaning[:1].isdigit(), one
            if "tenant" in one.labels:
                assert one.name.startswith("runestone_tenant_"), one


def test_what_is_scaled_and_alarmed_by_is_in_the_tables() -> None:
    page = PAGE.read_text()
    advised = page.split("## To scale and to alarm by")[1].split("## All of them")[0]
    names = {name.split("{")[0] for name in re.findall(r"`(?:rate\()?((?:runestone|gen_ai)_[a-z_]+)", advised)}
    listed = set(re.findall(r"^\| `([a-z0-9_]+)`", page, re.MULTILINE))
    assert len(names) > 15
    assert names - listed == set()
