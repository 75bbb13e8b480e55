"""Our Python client works where each part is a container."""

from e2e.test_client import *  # noqa: F403  the same tests, of this mesh

del mesh  # noqa: F821  that of the folder is meant
# Processes are ended in test_faults.
del test_a_stream_goes_on_when_its_edges_are_killed, test_nothing_fails_while_edges_stop_in_order  # noqa: F821
