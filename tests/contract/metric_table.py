"""The metrics of all services, as they register them: what the page about metrics is written from.

`PYTHONPATH=tests python -m contract.metric_table` writes the page's tables anew.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from chassis.config import parse_settings
from chassis.metrics import Described
from chassis.runtime import Place, start_service
from chassis.snapshots import Snapshot, SnapshotFeed, snapshot_version
from chassis.testing import free_port, short_directory
from launcher.one_process import load_service
from launcher.topology import TOPOLOGY, Node

PAGE = Path(__file__).parents[2] / "docs/metrics.md"
BEGIN, END = "<!-- tables -->\n", "<!-- tables: end -->"
MASTER_KEY = "00" * 32
EVERYWHERE = "every service"
BASE = """
telemetry: {{otlp_endpoint: "http://127.0.0.1:{collector}"}}
edge: {{http: {{port: 0}}, websocket: {{port: 0}}, grpc: {{port: 0}}}}
providers: [{{name: sim, kind: simulated}}]
tenants: [{{name: acme, keys: [{{name: ci, secret: acme-key-0123456789}}]}}]
"""

# What only some configurations have: each is added to the rest.
VARIANTS = (
    "",
    "cache: {{warm_on_startup: true, warm: {{file: {questions}, tenant: acme}}, encryption: {{master_key: '{key}'}}}}",
)


async def list_metrics() -> dict[str, dict[str, Described]]:
    """Each service's metrics by their names; those that all have stand under `EVERYWHERE`."""
    found: dict[str, dict[str, Described]] = {node.name: {} for node in TOPOLOGY}
    for variant in VARIANTS:
        for node in TOPOLOGY:
            found[node.name] |= {one.name: one for one in await _build(node, variant)}
    common = set.intersection(*(set(metrics) for metrics in found.values()))
    everywhere = {name: found["edge"][name] for name in common}
    return {
        EVERYWHERE: everywhere,
        **{
            service: {name: one for name, one in metrics.items() if name not in common}
            for service, metrics in found.items()
        },
    }


async def _build(node: Node, variant: str) -> Sequence[Described]:
    with short_directory() as directory:
        questions = directory / "questions.jsonl"
        questions.write_text("")
        text = (BASE + variant).format(collector=free_port(), questions=questions, key=MASTER_KEY)
        settings = parse_settings(text, directory)
        peers = {name: f"unix:{directory}/{name}.sock" for name in node.peers}
        place = Place(listen=f"unix:{directory}/s.sock", data_dir=directory, peers=peers)
        feed = SnapshotFeed(Snapshot(snapshot_version(settings), settings))
        runtime = await start_service(load_service(node.module), place, feed)
        try:
            return list(runtime.metrics.described)
        finally:
            await runtime.stop(0)


def write_tables(metrics: Mapping[str, Mapping[str, Described]]) -> str:
    """A table for each service."""
    return "\n".join(_write_table(title, of_service.values()) for title, of_service in metrics.items())


def _write_table(title: str, metrics: Iterable[Described]) -> str:
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.meaning} |"
        for one in sorted(metrics)
    ]
    head = f"### {title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|"
    return "\n".join([head, *rows]) + "\n"


def read_tables() -> str:
    """What stands in the page."""
    return PAGE.read_text().split(BEGIN)[1].split(END)[0]


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + write_tables(asyncio.run(list_metrics())) + END + rest.partition(END)[2])
