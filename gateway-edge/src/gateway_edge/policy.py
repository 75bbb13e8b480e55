"""One snapshot made ready for calls: who may call, through whom, from which pages, and which models there are."""

from dataclasses import dataclass

from chassis.config import Catalog, Settings
from chassis.snapshots import Snapshot
from gateway_edge.callers.tenants import Authority
from gateway_edge.door.cors import Cors
from gateway_edge.door.proxies import TrustedProxies


@dataclass(frozen=True, slots=True)
class Policy:
    """Immutable: a new snapshot makes a new one, and running calls keep theirs. `created_at` is seconds since the epoch."""

    version: str
    settings: Settings
    authority: Authority
    catalog: Catalog
    proxies: TrustedProxies
    cors: Cors
    created_at: float

    @classmethod
    def of(cls, snapshot: Snapshot, created_at: float) -> "Policy":
        """The policy of a snapshot."""
        settings, door = snapshot.settings, snapshot.settings.edge.http
        return cls(
            version=snapshot.version,
            settings=settings,
            authority=Authority.of(settings),
            catalog=Catalog(settings.models, settings.providers),
            proxies=TrustedProxies(door.trusted_proxies),
            cors=Cors(door.cors.origins),
            created_at=created_at,
        )
