"""What is promised about input that makes no sense holds where each part is a container."""

from e2e.test_bad_input import *  # noqa: F403  the same tests, of this mesh
