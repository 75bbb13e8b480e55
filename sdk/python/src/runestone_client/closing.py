"""What is closed at the end of its `async with`."""

from types import TracebackType
from typing import Self


class Closing:
    """Closes itself by `aclose`, however the block ends."""

    async def aclose(self) -> None:
        """What subclasses do at the end. Raises NotImplementedError."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
