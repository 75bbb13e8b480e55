"""What audit-svc needs of the configuration and of its place."""

from dataclasses import dataclass
from pathlib import Path

from chassis.config.units import StoreUrl
from chassis.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """`store_url` is the PostgreSQL that replicas share; None where the records are in `database`, a SQLite file."""

    database: Path
    store_url: StoreUrl | None


def read_settings(runtime: Runtime) -> AuditSettings:
    """The file stands in the data directory, under one name, so that a restart finds it."""
    store = runtime.settings.audit.store
    return AuditSettings(database=runtime.place.data_dir / "audit.db", store_url=None if store == "sqlite" else store)
