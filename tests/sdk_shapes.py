"""Whether what an official SDK read has the shape that its types say. The SDKs themselves take anything."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


def check_shape(value: BaseModel, *, allowed: frozenset[str] = frozenset()) -> None:
    """Fails where a member is missing, of another type, or unknown to the SDK; `allowed` names members of others' dialects."""
    again = type(value).model_validate(value.model_dump(by_alias=True, exclude_unset=True, warnings=False))
    strangers = {path for path in _strangers(again, "") if path.rpartition(".")[2] not in allowed}
    assert strangers == set(), f"{type(value).__name__}: {sorted(strangers)}"


def _strangers(value: Any, path: str) -> Iterator[str]:
    """Where members stand that no type knows."""
    if isinstance(value, BaseModel):
        yield from (f"{path}.{name}" for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from _strangers(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _strangers(one, f"{path}[{number}]")
