"""A runbook for each alert, each with what one needs at night, and only commands that there are."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from launcher.cli.app import app

FOLDER = Path(__file__).parents[3] / "docs" / "runbooks"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
COMMAND = re.compile(r"(?:^|`|-- |\$\()runestone ([a-z]+(?: [a-z]+)?)((?: [^`#\n)|]*)?)", re.MULTILINE)


def test_every_alert_has_a_runbook_and_every_runbook_an_alert(alerts):
    linked = {alert["annotations"]["runbook_url"].removeprefix("https://runbooks.invalid/") for alert in alerts}
    assert linked == {path.name for path in PAGES}


def test_every_runbook_names_its_alerts(alerts):
    for path in PAGES:
        named = set(re.findall(r"`(Runestone[A-Za-z]+)`", path.read_text().split("## Meaning")[0]))
        linking = {one["alert"] for one in alerts if one["annotations"]["runbook_url"].endswith(f"/{path.name}")}
        assert named == linking, path.name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_runbook_has_what_one_needs(page):
    text = page.read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    sections = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
    assert all(len(section.split()) > 8 for section in sections)
    assert "```sh\n" in sections[SECTIONS.index("Diagnosis")], "a command to begin with"


def test_index_lists_every_page():
    assert set(re.findall(r"\]\(([a-z-]+\.md)\)", (FOLDER / "README.md").read_text())) == {path.name for path in PAGES}


@pytest.mark.parametrize("page", [*PAGES, FOLDER / "README.md"], ids=lambda path: path.stem)
def test_commands_of_ours_are_there_with_their_options(page):
    for words, rest in COMMAND.findall(page.read_text()):
        command = get_command(app)
        for word in words.split():
            found = getattr(command, "commands", {}).get(word)
            if found is None:
                break
            command = found
        assert command is not get_command(app), words
        assert not getattr(command, "commands", {}), f"runestone {words}: of which there are several"
        known = {name for parameter in command.params for name in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, (words, rest)


@pytest.mark.parametrize("page", [*PAGES, FOLDER / "README.md"], ids=lambda path: path.stem)
def test_links_to_other_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+\.md)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).resolve().is_file(), target
