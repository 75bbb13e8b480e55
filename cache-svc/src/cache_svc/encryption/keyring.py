"""Where wrapped data keys are kept, one record an owner."""

from typing import Protocol


class Keyring(Protocol):
    """Records of wrapped keys by owner. Every method is one step that nothing comes between, and raises UNAVAILABLE when the
    keyring does not answer."""

    async def read(self, owner: str) -> bytes | None:
        """The owner's record, if there is one."""

    async def swap(self, owner: str, before: bytes | None, after: bytes) -> bytes | None:
        """Puts `after` where `before` stands (None: nothing), and only there: of several that do so at once one succeeds, and a
        record that was destroyed does not come back. Returns what stands there then."""

    async def destroy(self, owner: str) -> bool:
        """Forgets the record, and says whether there was one."""


class MemoryKeyring:
    """Records in this process's memory, gone with it."""

    def __init__(self) -> None:
        self._records: dict[str, bytes] = {}

    async def read(self, owner: str) -> bytes | None:
        """At once."""
        return self._records.get(owner)

    async def swap(self, owner: str, before: bytes | None, after: bytes) -> bytes | None:
        """At once."""
        if self._records.get(owner) == before:
            self._records[owner] = after
        return self._records.get(owner)

    async def destroy(self, owner: str) -> bool:
        """At once."""
        return self._records.pop(owner, None) is not None

    def __repr__(self) -> str:
        return f"MemoryKeyring({len(self._records)} owners)"
