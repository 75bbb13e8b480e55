"""What the service needs of encryption at rest, and what stands there where nothing is encrypted."""

from typing import Protocol

from cache_svc.keys import Keys, NoKeys
from cache_svc.state.store import StateStore
from cache_svc.store import Store
from chassis.redis import RedisClient


class ChangeSeal(Protocol):
    """Around each change in a log that is shared."""

    def seal(self, text: bytes, /) -> bytes:
        """The change as it is written."""

    def unseal(self, sealed: bytes, /) -> bytes | None:
        """The change that was written; None for what somebody else wrote."""


class ContentSeal(Protocol):
    """Around what users said, where their tenant is encrypted. `place` is where it belongs: it opens nowhere else."""

    def seal(self, tenant: str, place: bytes, text: bytes, /) -> bytes:
        """The text as it is kept."""

    def unseal(self, tenant: str, place: bytes, kept: bytes, /) -> bytes | None:
        """The text; None for what does not open."""


class Seals(Protocol):
    """A seal around each of the places that things are kept in."""

    @property
    def changes(self) -> ChangeSeal:
        """For the log."""

    def seal_store(self, store: Store, client: RedisClient | None) -> tuple[Store, Keys]:
        """The store of answers, and the keys, which are kept where the answers are: in `client`, or else in memory."""

    def seal_state(self, state: StateStore) -> StateStore:
        """Shared state."""

    def seal_content(self, purpose: bytes) -> ContentSeal:
        """For what is said in streams, or in rooms."""


class Unsealed:
    """Writes changes as they are."""

    def seal(self, text: bytes, /) -> bytes:
        """The same."""
        return text

    def unseal(self, sealed: bytes, /) -> bytes | None:
        """The same."""
        return sealed


UNSEALED = Unsealed()
SEALED = b"\x01"  # what is sealed begins so, and no protobuf message does


class ReadableContent:
    """Keeps what was said as it is."""

    def seal(self, _tenant: str, _place: bytes, text: bytes, /) -> bytes:
        """The same."""
        return text

    def unseal(self, _tenant: str, _place: bytes, kept: bytes, /) -> bytes | None:
        """The same; None for what another replica sealed."""
        return None if kept.startswith(SEALED) else kept


class NoSeals:
    """Leaves everything readable."""

    changes = UNSEALED

    def seal_store(self, store: Store, client: RedisClient | None) -> tuple[Store, Keys]:  # noqa: ARG002  as the protocol has it
        """The store itself."""
        return store, NoKeys()

    def seal_state(self, state: StateStore) -> StateStore:
        """The state itself."""
        return state

    def seal_content(self, _purpose: bytes) -> ContentSeal:
        """None."""
        return ReadableContent()
