"""The statistics of all replicas as one. Pure."""

from collections.abc import Sequence

from google.protobuf.descriptor import FieldDescriptor

from launcher.cache_desk import Asked
from runestone.cache.v1.cache_pb2 import GetStatisticsResponse

FIELDS = GetStatisticsResponse.DESCRIPTOR.fields
COUNTS = [field.name for field in FIELDS if field.type == FieldDescriptor.TYPE_UINT64]
STOCK = {"entries", "bytes", "max_entries", "max_bytes"}  # what a shared store has once, whoever says so
MEMORY = "memory"


def describe_cache(asked: Asked[GetStatisticsResponse]) -> dict[str, object]:
    """The sums, each replica's own under `replicas`, and why one is missing under `failures`. At least one has answered."""
    return {
        **describe_statistics(add_up(list(asked.answers.values()))),
        "replicas": {name: describe_statistics(one) for name, one in asked.answers.items()},
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


def describe_statistics(statistics: GetStatisticsResponse) -> dict[str, object]:
    """Every field by name, and the share of look-ups that were hits, out of edges' copies too (null before the first)."""
    hits = statistics.hits + statistics.near_hits
    looked_up = hits + statistics.misses
    fields: dict[str, object] = {field.name: getattr(statistics, field.name) for field in FIELDS}
    return {**fields, "hit_ratio": round(hits / looked_up, 4) if looked_up else None}
