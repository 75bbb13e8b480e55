"""`python -m bench.cache_memory`: what entries take in a process's memory, beside what they are counted for.

Each case in a fresh process: the growth of its resident set, after all that is used was loaded. Bodies are random, so that nothing
is shared, and as large as said; a thousand combinations of labels. The last case asks for more than the bounds allow.
"""

import asyncio
import gc
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cache_svc.eviction.tiny_lfu import TinyLfu
from cache_svc.memory import MemoryStore
from cache_svc.store import OVERHEAD, Bounds, Entry, Labels
from chassis.clock import SystemClock

MIB = 1 << 20
COMBINATIONS = 1_000  # of labels
PATIENCE = 120.0  # seconds a case


@dataclass(frozen=True, slots=True)
class Case:
    """How many entries of how many bytes are put into which bounds."""

    entries: int
    body: int
    bounds: Bounds


CASES = {
    "10,000 of 4 KiB": Case(10_000, 4096, Bounds(max_entries=10_000, max_bytes=256 * MIB)),
    "1,000,000 of 100 B": Case(1_000_000, 100, Bounds(max_entries=1_000_000, max_bytes=2048 * MIB)),
    "1,500,000 of 100 B, 1,000,000 at most": Case(1_500_000, 100, Bounds(max_entries=1_000_000, max_bytes=2048 * MIB)),
    "1,000,000 of 100 B, 256 MiB at most": Case(1_000_000, 100, Bounds(max_entries=1_000_000, max_bytes=256 * MIB)),
}


async def measure(case: Case) -> str:
    """A line of the table."""
    policy = TinyLfu(case.bounds.max_entries, case.bounds.max_bytes, OVERHEAD)
    store = MemoryStore(case.bounds, SystemClock(), policy)
    dice = random.Random(1)
    gc.collect()
    before = resident_bytes()
    for number in range(case.entries):
        labels = Labels(f"tenant {number % 100}", f"model {number % 10}", (f"tag {number % COMBINATIONS}",))
        await store.keep(Entry(dice.randbytes(32), dice.randbytes(case.body), 300.0 + number % 60, labels))
    grown = resident_bytes() - before
    return f"{store.entries:,} | {store.used_bytes / MIB:,.0f} | {grown / MIB:,.0f} | {grown / store.entries:,.0f}"


def resident_bytes() -> int:
    """Of this process."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Measures every case in a process of its own; with a case's name, is that process."""
    if sys.argv[1:]:
        print(asyncio.run(measure(CASES[sys.argv[1]])))
        return
    print("| put in | kept | counted MiB | grown MiB | grown B/entry |\n| --- | ---: | ---: | ---: | ---: |")
    for name in CASES:
        command = [sys.executable, "-m", "bench.cache_memory", name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
        print(f"| {name} | {done.stdout.strip()} |", flush=True)


if __name__ == "__main__":
    main()
