"""What tenants said, sealed under the master key where they are encrypted. Pure."""

from cache_svc.encryption.master_seal import MasterSeal
from cache_svc.seals import SEALED
from chassis.globs import Globs


class TenantSeal:
    """Seals for the tenants that `tenants` names. What is readable of one of them, from before he was, does not open; what is sealed
    of another opens for as long as it is kept."""

    def __init__(self, seal: MasterSeal, tenants: Globs) -> None:
        self._seal = seal
        self._tenants = tenants

    def seal(self, tenant: str, place: bytes, text: bytes, /) -> bytes:
        """The text as it is kept."""
        return self._seal.seal(text, place) if tenant in self._tenants else text

    def unseal(self, tenant: str, place: bytes, kept: bytes, /) -> bytes | None:
        """The text; None for what does not open."""
        if kept.startswith(SEALED):
            return self._seal.unseal(kept, place)
        return None if tenant in self._tenants else kept
