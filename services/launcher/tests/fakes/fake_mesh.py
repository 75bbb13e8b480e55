"""`runestone up` with fake services: `python fake_mesh.py DATA_DIR [--one-process] [--crashing] [--targets] [--workers N]
[--every SECONDS] [--patience SECONDS]`.

Its configuration is `runestone.yaml` in the data directory, written here where there is none.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

from chassis import logs
from launcher.backoff import RestartPolicy
from launcher.configuration import open_source
from launcher.errors import LaunchError
from launcher.launch import Launch, launch
from launcher.liveness import LivenessPolicy
from launcher.status import Board
from launcher.topology import Node

CONFIG = """
edge: {{workers: {workers}, http: {{port: 0}}, admin: {{port: 0}}, websocket: {{port: 0}}, grpc: {{port: 0}}, drain: {{grace: 2s}}}}
"""
CALLEES = (Node("cache", "fake_cache"), Node("audit", "fake_audit", peers=("cache",)))
EDGE = Node("edge", "fake_edge", peers=("cache", "audit"), has_door=True)
CRASHING, TARGETS = Node("provider", "fake_provider"), Node("provider", "fake_targets")

parser = argparse.ArgumentParser()
parser.add_argument("data_dir", type=Path)
parser.add_argument("--one-process", action="store_true")
parser.add_argument("--crashing", action="store_true")
parser.add_argument("--targets", action="store_true", help="with a provider-svc that tells of targets")
parser.add_argument("--workers", type=int, default=1)
parser.add_argument("--patience", type=float, default=15.0, help="seconds that each step of a reload may take")
parser.add_argument("--every", type=float, default=10.0, help="seconds between two probes for hanging parts")
options = parser.parse_args()

logs.configure(level="warning")
path = options.data_dir / "runestone.yaml"
if not path.exists():
    path.write_text(CONFIG.format(workers=options.workers))
source = open_source(path, options.data_dir)
order = Launch(
    settings=source.read().settings,
    source=source,
    data_dir=options.data_dir,
    is_one_process=options.one_process,
    log_level="warning",
    topology=(EDGE, *CALLEES, *([CRASHING] if options.crashing else []), *([TARGETS] if options.targets else [])),
    restarts=RestartPolicy(first=0.01, ceiling=0.02, most=2),
    liveness=LivenessPolicy(every=options.every),
    reload_patience=options.patience,
)
try:
    asyncio.run(launch(order, Board(Console())))
except LaunchError as error:
    sys.exit(f"runestone: {error}")
