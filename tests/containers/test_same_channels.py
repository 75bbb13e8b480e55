"""Channels work where each part is a container."""

from e2e.test_channels import *  # noqa: F403  the same tests, of this mesh

del mesh  # noqa: F821  that of the folder is meant
