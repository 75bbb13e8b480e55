"""The meshes that end-to-end tests talk to."""

from collections.abc import Iterator

import pytest
from real_mesh import Mesh, mesh_running


@pytest.fixture(scope="session", params=["processes", "one-process"])
def mesh(request: pytest.FixtureRequest) -> Iterator[Mesh]:
    """The same mesh, as many processes and as one."""
    options = ["--one-process"] if request.param == "one-process" else []
    with mesh_running(*options) as running:
        yield running


@pytest.fixture(scope="module")
def many_processes() -> Iterator[Mesh]:
    """A mesh of processes of its own, for tests that kill them."""
    with mesh_running() as running:
        yield running
