"""For the tests of all folders."""

import gc

gc.disable()  # while tests are collected: nearly all of it stays


def pytest_collection_finish() -> None:
    """What was collected stays to the end. Else every round of the collector, and each that a test asks for, would go through all of it
    once more."""
    gc.enable()
    gc.collect()
    gc.freeze()
