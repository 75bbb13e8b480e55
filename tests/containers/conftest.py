"""A mesh of containers for all tests of this folder, among them end-to-end tests that know nothing of it."""

from collections.abc import Iterator

import pytest
from fake_provider import FakeProvider

from containers.engine import find_obstacle
from containers.mesh import ContainerMesh, container_mesh_running
from containers.recipes import can_listen, find_gateway

PATIENCE = 240  # seconds, for a mesh to come up before the first test of a process


@pytest.fixture(scope="session")
def engine() -> None:
    """Docker with our images; without, whoever needs it is skipped and says what is missing."""
    if obstacle := find_obstacle():
        pytest.skip(obstacle)


@pytest.fixture(scope="package")
def mesh(engine: None) -> Iterator[ContainerMesh]:
    with container_mesh_running() as running:
        yield running


@pytest.fixture(autouse=True)
def reachable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake providers listen where containers find them."""
    if "mesh" in request.fixturenames:
        gateway = find_gateway(request.getfixturevalue("mesh").network)
        if can_listen(gateway):
            monkeypatch.setattr(FakeProvider, "HOST", gateway)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test is first in its process waits for the whole mesh, beside others."""
    for item in items:
        if "tests/containers/" in item.nodeid and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(PATIENCE))
