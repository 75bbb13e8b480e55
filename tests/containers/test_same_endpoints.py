"""Official clients reach every endpoint where each part is a container."""

from e2e.test_endpoints import *  # noqa: F403  the same tests, of this mesh
