"""Long work without I/O, cut so that others have their turn."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Turns = Generator[None, None, T]  # yields wherever it may be interrupted, and returns what it came to
