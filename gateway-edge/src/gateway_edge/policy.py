"""One snapshot made ready for calls: who may call, through whom, and which models there are."""

from dataclasses import dataclass

from chassis.config import Catalog, Settings
from chassis.snapshots import Snapshot
from gateway_edge.proxies import TrustedProxies
from gateway_edge.tenants import Authority


@dataclass(frozen=True, slots=True)
class Policy:
    """Immutable: a new snapshot makes a new one, and running calls keep theirs. `created_at` is seconds since the epoch."""

    version: str
    settings: Settings
    authority: Authority
    catalog: Catalog
    proxies: TrustedProxies
    created_at: float

    @classmethod
    def of(cls, snapshot: Snapshot, created_at: float) -> "Policy":
        """The policy of a snapshot."""
        settings = snapshot.settings
        catalog = Catalog(settings.models, settings.providers)
        proxies = TrustedProxies(settings.edge.http.trusted_proxies)
        return cls(snapshot.version, settings, Authority.of(settings), catalog, proxies, created_at)
