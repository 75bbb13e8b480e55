"""The few forms of HTML that the description of the API needs. What is called Html is safe to put into a page."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

Html = str

_CODE = re.compile(r"`([^`]+)`")
_BLANK_LINES = re.compile(r"\n\s*\n")


def inline(text: str) -> Html:
    """A line of text in which `backticks` set code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def paragraphs(text: str) -> Html:
    """Text as paragraphs, which blank lines part; nothing for no text."""
    return "".join(f"<p>{inline(block)}</p>" for block in _BLANK_LINES.split(text.strip()) if block)


def text_of(node: Mapping[str, Any]) -> Html:
    """A node's description, in one block; that it is deprecated is said, too."""
    said = inline(node.get("description", ""))
    return f"{said} <i>Deprecated.</i>" if node.get("deprecated") else said


def code(text: str) -> Html:
    """A name as it is typed."""
    return f"<code>{escape(text)}</code>"


def table(head: Sequence[str], rows: Iterable[Sequence[Html]]) -> Html:
    """A table; nothing without rows."""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>{body}</table>" if body else ""
