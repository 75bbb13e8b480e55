"""For the tests of all folders."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

# Meshes of containers are tested by tests of other folders too, which are imported as modules.
pytest.register_assert_rewrite("e2e")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[Any]:
    """What is collected stays to the end. Else every round of the garbage collector, and each that a test asks for, would go through all of
    it once more."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()
