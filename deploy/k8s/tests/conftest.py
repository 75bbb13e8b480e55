"""Every test of a set runs for each value set."""

import pytest
from charting.render import SETS, Render, render_set


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "render" in metafunc.fixturenames:
        metafunc.parametrize("render", list(SETS), indirect=True)


@pytest.fixture
def render(request: pytest.FixtureRequest) -> Render:
    """What a value set becomes; made once for all tests of this process."""
    return render_set(request.param)
