"""The cache's statistics as tables: all replicas as one, then, where there are several, each."""

from collections.abc import Iterator, Mapping

from rich.console import Group
from rich.table import Table

from chassis.billing.price import spell_dollars
from launcher.cache_report import count_look_ups, divide_hits
from runestone.cache.v1.cache_pb2 import GetStatisticsResponse

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
# What an edge answered itself it tells to any one replica: that says nothing of this one.
COLUMNS = ("entries", "bytes", "hits", "misses", "stores", "evictions", "purged", "watchers")


def draw_cache(total: GetStatisticsResponse, replicas: Mapping[str, GetStatisticsResponse]) -> Group:
    """`total` is what `replicas`, by name, are together."""
    sums = _table("answer cache", _describe_kind(total, len(replicas)))
    for name, text in _describe_total(total):
        sums.add_row(name, text)
    return Group(sums, "", _draw_replicas(replicas)) if len(replicas) > 1 else Group(sums)


def spell_size(size: int) -> str:
    """Bytes in the largest unit that leaves at least one of it: `4.7 MiB`."""
    power = min((max(size, 1).bit_length() - 1) // 10, len(UNITS) - 1)
    return f"{size / (1 << 10 * power):,.1f} {UNITS[power]}" if power else f"{size} B"


def _describe_kind(total: GetStatisticsResponse, replicas: int) -> str:
    kind = total.store if replicas == 1 else f"{total.store}, {replicas} replicas"
    return f"{kind}, encrypted" if total.encrypted else kind


def _describe_total(total: GetStatisticsResponse) -> Iterator[tuple[str, str]]:
    found, ratio = total.hits + total.near_hits, divide_hits(total)
    look_ups = f"{count_look_ups(total):,} look-ups"
    yield "hit rate", "nobody has asked yet" if ratio is None else f"{ratio:.1%} of {look_ups}"
    yield "hits", f"{found:,}, {total.near_hits:,} of them out of edges' copies"
    yield "coalesced", f"{total.coalesced:,}"
    yield "saved tokens", f"{total.saved_input_tokens:,} in, {total.saved_output_tokens:,} out"
    yield "saved dollars", spell_dollars(total.saved_nano_usd)
    yield "entries", f"{total.entries:,}" + (f" of {total.max_entries:,}" if total.max_entries else "")
    yield "bytes", spell_size(total.bytes) + _describe_share(total.bytes, total.max_bytes)
    yield "stored", f"{total.stores:,}"
    yield "evictions", f"{total.evictions:,}"
    yield "purged", f"{total.purged:,}"
    yield "watchers", f"{total.watchers:,}"


def _describe_share(size: int, bound: int) -> str:
    return f" of {spell_size(bound)} ({size / bound:.1%})" if bound else ""


def _draw_replicas(replicas: Mapping[str, GetStatisticsResponse]) -> Table:
    table = _table("replica")
    for column in COLUMNS:
        table.add_column(column.replace("_", " "), justify="right")
    for name, one in replicas.items():
        cells = (spell_size(one.bytes) if column == "bytes" else f"{getattr(one, column):,}" for column in COLUMNS)
        table.add_row(name, *cells)
    return table


def _table(*titles: str) -> Table:
    return Table(*titles, box=None, header_style="bold", pad_edge=False)
