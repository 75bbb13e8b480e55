"""What the tests of the Messages dialect share."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from provider_svc.dialects.dialect import Asked
from runestone.common.v1.usage_pb2 import Usage

CREATED = 1_800_000_000


@pytest.fixture
def asked() -> Asked:
    """A question of which nothing but its time is known."""
    return Asked({}, CREATED)


@pytest.fixture
def shown() -> Callable[[object], object]:
    """How values stand in golden files."""
    return show


def show(value: Any) -> Any:
    """A value as JSON: structs under their names, with what differs from their defaults."""
    if isinstance(value, Usage):
        return {field.name: count for field, count in value.ListFields()}
    if isinstance(value, msgspec.Struct):
        said = {
            field.name: show(getattr(value, field.name))
            for field in msgspec.structs.fields(value)
            if getattr(value, field.name) != field.default
        }
        return {type(value).__name__: said}
    if isinstance(value, list | tuple):
        return [show(item) for item in value]
    return value
