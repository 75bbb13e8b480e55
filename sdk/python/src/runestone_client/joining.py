"""A topic that is to be joined."""

from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from runestone_client.topic import Topic

AnyTopic = TypeVar("AnyTopic", bound=Topic)


class Joiner(Protocol):
    """The client."""

    async def join(self, name: str, make: Callable[[], AnyTopic]) -> AnyTopic:
        """Joins."""

    async def part(self, name: str, topic: Topic) -> None:
        """Leaves."""


class Joining(Generic[AnyTopic]):
    """Await it to have the topic, and leave it later; or open it with `async with`, which leaves it."""

    def __init__(self, joiner: Joiner, name: str, make: Callable[[], AnyTopic]) -> None:
        self._joiner, self._name, self._make = joiner, name, make
        self._topic: AnyTopic | None = None

    def __await__(self) -> Generator[Any, None, AnyTopic]:
        return self._join().__await__()

    async def __aenter__(self) -> AnyTopic:
        self._topic = await self._join()
        return self._topic

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._topic is not None:
            await self._joiner.part(self._name, self._topic)

    async def _join(self) -> AnyTopic:
        return await self._joiner.join(self._name, self._make)
