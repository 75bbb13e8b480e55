"""Text that PostgreSQL can keep: it has no NUL character, a protobuf string may have one.

NUL is kept as U+0001 U+0001, and U+0001 as U+0001 U+0002: two texts are in the same order before and after (compared by code point, as
`COLLATE "C"` does), and text without either stays as it is.
"""

_MARK = "\x01"


def to_database(text: str) -> str:
    """`text` without NUL."""
    if "\0" not in text and _MARK not in text:
        return text
    return text.replace(_MARK, _MARK + "\x02").replace("\0", _MARK + _MARK)


def from_database(text: str) -> str:
    """What `to_database` was given."""
    if _MARK not in text:
        return text
    first, *rest = text.split(_MARK)
    return first + "".join(_restore(rest))


def _restore(parts: list[str]) -> list[str]:
    """Behind each mark: nothing where a second mark follows at once, else a text that begins with U+0002."""
    restored, position = [], 0
    while position < len(parts):
        if parts[position].startswith("\x02"):
            restored.append(_MARK + parts[position][1:])
            position += 1
        else:
            restored.append("\0" + parts[position + 1])
            position += 2
    return restored
