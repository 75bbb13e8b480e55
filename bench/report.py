"""Puts figures between the markers of a document, and leaves the rest of it alone."""

from pathlib import Path

TABLE, HEADLINE = "bench", "bench: headline"


def replace_between(document: str, name: str, text: str) -> str:
    """The document with `text` between `<!-- name -->` and `<!-- name: end -->`. Raises ValueError without the markers."""
    begin, end = f"<!-- {name} -->", f"<!-- {name}: end -->"
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"no {begin} ... {end} in the document")
    return f"{before}{begin}\n{text}\n{end}{after}"


def rewrite(path: Path, name: str, text: str) -> None:
    """The same, in a file."""
    path.write_text(replace_between(path.read_text(), name, text))
