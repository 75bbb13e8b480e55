"""What the service needs of the keys that answers are encrypted with."""

from typing import Protocol


class Keys(Protocol):
    """One data key, or none, for each tenant."""

    @property
    def are_used(self) -> bool:
        """Whether answers of some tenant are encrypted."""

    def may_copy(self, tenant: str) -> bool:
        """Whether callers may keep copies of the tenant's answers."""

    async def destroy(self, tenant: str) -> bool:
        """Makes what was encrypted for the tenant unreadable for ever, and says whether there was a key. Raises UNAVAILABLE:
        then nothing is promised."""


class NoKeys:
    """Where nothing is encrypted."""

    are_used = False

    def may_copy(self, tenant: str) -> bool:  # noqa: ARG002  as the protocol has it
        """They are not hidden anyway."""
        return True

    async def destroy(self, tenant: str) -> bool:  # noqa: ARG002  as the protocol has it
        """There is none."""
        return False
