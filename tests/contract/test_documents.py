"""What the documents lead to is there: every relative link of every page, its heading too."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"node_modules", "dist"}
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^\s*```")


def find_pages():
    """Every Markdown page of ours. Folders of tools are not gone into: they hold thousands."""
    folders = [ROOT]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.name.startswith(".") or path.name in ELSEWHERE or path.is_symlink():
                continue
            if path.is_dir():
                folders.append(path)
            elif path.suffix == ".md":
                yield path


PAGES = {str(path.relative_to(ROOT)): path for path in find_pages()}


def prose(text):
    """The lines that stand in no block of code."""
    is_code = False
    for line in text.splitlines():
        if FENCE.match(line):
            is_code = not is_code
        elif not is_code:
            yield line


def slug(heading):
    """What a heading is called in an address, as GitHub has it."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.lstrip("#")).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def find_dead(page, text):
    """The links of `page` that lead nowhere. Those to other hosts are not followed."""
    for target in (target for line in prose(text) for target in LINK.findall(line)):
        name, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = page.parent / name if name else page
        is_there = path.exists()
        if is_there and anchor and path.suffix == ".md":
            is_there = anchor in {slug(line) for line in prose(path.read_text()) if line.startswith("#")}
        if not is_there:
            yield target


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name):
    assert list(find_dead(PAGES[name], PAGES[name].read_text())) == []


def test_a_dead_link_is_found():
    """The test of the test above."""
    text = "[a](README.md) [b](nowhere.md) [c](README.md#nowhere) [d](https://example.org/x)\n```\n[e](code.md)\n```\n"
    assert "README.md" in PAGES
    assert list(find_dead(ROOT / "x.md", text)) == ["nowhere.md", "README.md#nowhere"]
