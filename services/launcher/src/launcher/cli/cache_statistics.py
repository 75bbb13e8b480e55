"""The cache's statistics as a table or as one JSON object."""

from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from chassis.client import Channel
from launcher.cli.asking import ask_service
from runestone.cache.v1.cache_pb2 import GetStatisticsRequest, GetStatisticsResponse
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub


def show_statistics(data_dir: Path | None, *, as_json: bool) -> None:
    """Prints them. Raises LaunchError when the cache cannot be asked."""

    async def ask(channel: Channel) -> GetStatisticsResponse:
        return await CacheServiceStub(channel).GetStatistics(GetStatisticsRequest())

    values = describe_statistics(ask_service("cache", data_dir, ask))
    if as_json:
        print(msgspec.json.encode(values).decode())
        return
    table = Table("answer cache", "", box=None, header_style="bold", pad_edge=False)
    for name, value in values.items():
        table.add_row(name.replace("_", " "), "" if value is None else str(value))
    Console().print(table)


def describe_statistics(statistics: GetStatisticsResponse) -> dict[str, object]:
    """Every field by name, and the share of look-ups that were hits (null before the first)."""
    values: dict[str, object] = {
        field.name: getattr(statistics, field.name) for field in GetStatisticsResponse.DESCRIPTOR.fields
    }
    looked_up = statistics.hits + statistics.misses
    return {**values, "hit_ratio": round(statistics.hits / looked_up, 4) if looked_up else None}
