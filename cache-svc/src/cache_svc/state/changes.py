"""Who waits in this process for a key to change."""

import asyncio
import contextlib


class Changes:
    """Waits that `announce` ends. State changes here are synchronous: between asking how a key stands and waiting for it to
    change, nothing gets lost as long as nothing is awaited."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, set[asyncio.Future[None]]] = {}
        self.is_closed = False

    async def wait(self, key: bytes, patience: float) -> None:
        """Returns when the key is announced, the waiting closed, or after `patience` seconds."""
        if self.is_closed:
            return
        change = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(change)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await change
        finally:
            self._forget(key, change)

    def announce(self, key: bytes) -> None:
        """Ends every wait for the key."""
        for change in self._waiting.pop(key, ()):
            if not change.done():
                change.set_result(None)

    def close(self) -> None:
        """Ends every wait, and those to come."""
        self.is_closed = True
        for key in list(self._waiting):
            self.announce(key)

    def _forget(self, key: bytes, change: asyncio.Future[None]) -> None:
        changes = self._waiting.get(key, set())
        changes.discard(change)
        if not changes:
            self._waiting.pop(key, None)

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __repr__(self) -> str:
        return f"Changes({len(self)} waiting for {len(self._waiting)} keys)"
