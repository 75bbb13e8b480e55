"""What audit-svc needs of the configuration and of its place."""

from dataclasses import dataclass
from pathlib import Path

from chassis.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """`database` is the SQLite file. `audit.store` knows no other engine yet; `chassis.config.rules` refuses the rest."""

    database: Path


def read_settings(runtime: Runtime) -> AuditSettings:
    """The database stands in the data directory, under one name, so that a restart finds it."""
    return AuditSettings(database=runtime.place.data_dir / "audit.db")
