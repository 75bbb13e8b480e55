"""A folder of certificates, for each test its own."""

from collections.abc import Iterator

import pytest
from tls_folder import Folder, new_authority

from chassis.testing import short_directory


@pytest.fixture
def folder() -> Iterator[Folder]:
    with short_directory() as path:
        made = Folder(path, new_authority())
        for service in ("edge", "cache", "provider", "operator"):
            made.issue(service)
        yield made
