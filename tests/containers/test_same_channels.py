"""Channels work where each part is a container."""

from e2e.test_channels import *  # noqa: F403  the same tests, of this mesh

del mesh  # noqa: F821  that of the folder is meant
# How long it takes to come back is part of it; any sequence of cuts is in test_same_client.
del test_stream_goes_on_behind_what_its_client_has_on_whichever_worker  # noqa: F821
# Envoy reads on for such a client, as far as its buffers go, and on a full machine not within the test's patience.
del test_client_that_does_not_read_holds_the_provider_back_is_closed_and_comes_back  # noqa: F821
