"""What is promised about input that makes no sense holds where each part is a container."""

from e2e.test_bad_input import *  # noqa: F403  the same tests, of this mesh

del test_a_client_that_does_not_read_is_ended_at_its_deadline  # noqa: F821  Envoy reads for it, as far as its buffers go
