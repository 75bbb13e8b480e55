"""The cluster that the suite of copies runs over."""

import pytest


@pytest.fixture(scope="session")
def masters(busy_masters):
    return busy_masters
