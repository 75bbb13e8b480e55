"""The statistics of all replicas as one. Pure."""

from collections.abc import Sequence

from google.protobuf.descriptor import FieldDescriptor

from launcher.replica_desk import Asked
from runestone.cache.v1.cache_pb2 import GetStatisticsResponse

FIELDS = GetStatisticsResponse.DESCRIPTOR.fields
COUNTS = [field.name for field in FIELDS if field.type == FieldDescriptor.TYPE_UINT64]
STOCK = {"entries", "bytes", "max_entries", "max_bytes"}  # what a shared store has once, whoever says so
MEMORY = "memory"


def describe_cache(asked: Asked[GetStatisticsResponse]) -> dict[str, object]:
    """The sums and the share of hits, each replica's own counts under `replicas`, and why one is missing under `failures`. At least one
    has answered."""
    total = add_up(list(asked.answers.values()))
    return {
        **list_counts(total),
        "hit_ratio": divide_hits(total),
        "replicas": {name: list_counts(one) for name, one in asked.answers.items()},
        "failures": dict(asked.failures),
    }


def add_up(replicas: Sequence[GetStatisticsResponse]) -> GetStatisticsResponse:
    """Counters are summed; entries and bytes too where each replica has a memory of its own. There is at least one."""
    total = GetStatisticsResponse(store=replicas[0].store, encrypted=any(one.encrypted for one in replicas))
    for name in COUNTS:
        values = [getattr(one, name) for one in replicas]
        is_once = name in STOCK and total.store != MEMORY
        setattr(total, name, max(values) if is_once else sum(values))
    return total


def divide_hits(total: GetStatisticsResponse) -> float | None:
    """The share of look-ups that were hits, those out of edges' copies among them; None before the first. Makes sense of the sums only: an
    edge tells any one replica what it answered itself."""
    looked_up = count_look_ups(total)
    return round((total.hits + total.near_hits) / looked_up, 4) if looked_up else None


def count_look_ups(total: GetStatisticsResponse) -> int:
    """All, whoever knew what came of them."""
    return total.hits + total.near_hits + total.misses + total.near_misses


def list_counts(statistics: GetStatisticsResponse) -> dict[str, object]:
    """Every field by name; money in dollars."""
    counts = {field.name: getattr(statistics, field.name) for field in FIELDS}
    dollars = counts.pop("saved_nano_usd") / 1e9
    return {**counts, "saved_usd": dollars}
