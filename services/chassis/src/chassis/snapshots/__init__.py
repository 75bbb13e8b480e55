"""The configuration in force, as immutable snapshots named by their content.

A process reads its first snapshot before it is built and follows later ones: from the launcher's ControlService, or, on its
own, from a file. A new snapshot is made ready everywhere before it is in force anywhere (docs/adr/0011).
"""

from chassis.snapshots.editions import Editions, Refusal
from chassis.snapshots.feed import SnapshotFeed
from chassis.snapshots.snapshot import (
    SECTIONS,
    Snapshot,
    document_for,
    is_sent,
    own_version,
    settings_for,
    snapshot_version,
    take_snapshot,
)
from chassis.snapshots.watch import SnapshotWatch

__all__ = [
    "SECTIONS", "Editions", "Refusal", "Snapshot", "SnapshotFeed", "SnapshotWatch", "document_for", "is_sent",
    "own_version", "settings_for", "snapshot_version", "take_snapshot",
]  # fmt: skip
