"""A request that the fake provider does not take, as its maker would not."""

import re
from collections.abc import Collection, Mapping
from typing import Any

FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Refusal(Exception):  # noqa: N818  a refusal is what it is called
    """`message` is the maker's sentence; `param` and `code` are OpenAI's."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.status, self.param, self.code = message, status, param, code


def demand(
    holds: object, message: str, *, status: int = 400, param: str | None = None, code: str | None = None
) -> None:
    """Refuses with `message` unless `holds`."""
    if not holds:
        raise Refusal(message, status=status, param=param, code=code)


def unknown(members: Mapping[str, Any], known: Collection[str]) -> str | None:
    """The first member that is not known."""
    return next((name for name in members if name not in known), None)
