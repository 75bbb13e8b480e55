"""What is promised about answers that are kept holds where each part is a container."""

from e2e.test_cache import *  # noqa: F403  the same tests, of this mesh

del test_the_state_of_the_cache_can_be_seen  # noqa: F821  of a store in memory
