"""What calls cost is told and recorded where each part is a container."""

from e2e.test_costs import *  # noqa: F403  the same tests, of this mesh
