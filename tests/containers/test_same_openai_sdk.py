"""What official clients are promised holds where each part is a container."""

from e2e.test_openai_sdk import *  # noqa: F403  the same tests, of this mesh
