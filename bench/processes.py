"""Processes under measurement: started on one core, their CPU and memory read from /proc over the whole tree."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
GATEWAY_CORE, LOAD_CORE = 0, (os.cpu_count() or 1) - 1


@contextlib.contextmanager
def process(command: list[str], core: int, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`command` pinned to `core`; ended with SIGTERM, then SIGKILL."""
    with log.open("wb") as output:
        started = subprocess.Popen(
            ["taskset", "-c", str(core), *command], stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            env={**os.environ, **environment}, start_new_session=True,
        )  # fmt: skip
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)


def tree(root: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of the tree so far."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICK


def pss_mib(root: int) -> float:
    """Proportional set size of the tree."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def wait_for(condition: object, patience: float = 30.0) -> float:
    """Calls `condition` until it is true; returns the seconds it took."""
    started = time.perf_counter()
    while not condition():  # type: ignore[operator]
        if time.perf_counter() - started > patience:
            raise TimeoutError(f"not ready after {patience} s")
        time.sleep(0.01)
    return time.perf_counter() - started
