"""Processes under measurement: each on its core, none left behind however the measurement ends."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.accounting import Member, read_tree

PATIENCE = 20.0  # seconds that a process has to stop when asked
REAP = 5.0  # seconds that the kernel has to end a killed one
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # prctl(2)

# Compiled modules are what users run; without them a Python gateway would be measured at half its speed.
UNWANTED = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPROFILEIMPORTTIME"}


@contextmanager
def running(
    command: Sequence[str], *, core: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`command`, pinned with all it starts to `core`, its output in `log`. SIGTERM at the end; who stays is killed."""

    def settle() -> None:
        # Orphans of the tree stay in it, and are counted; and if the bench is killed, the tree is asked to stop.
        os.sched_setaffinity(0, {core})
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=make_environment(environment or {}),
            start_new_session=True, preexec_fn=settle,  # noqa: PLW1509  no other thread runs here that could hold a lock
        )  # fmt: skip
    try:
        yield process
    finally:
        _stop(process)


def make_environment(additions: Mapping[str, str]) -> dict[str, str]:
    """This process's environment as a user's would be, and what the command needs."""
    return {name: value for name, value in os.environ.items() if name not in UNWANTED} | dict(additions)


def _stop(process: subprocess.Popen[bytes]) -> None:
    family = read_tree(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    for member in filter(_is_running, family):
        with suppress(ProcessLookupError):
            os.kill(member.pid, signal.SIGKILL)
    process.wait(REAP)
    deadline = time.monotonic() + REAP
    while any(map(_is_running, family)) and time.monotonic() < deadline:
        time.sleep(0.01)


def _is_running(member: Member) -> bool:
    return any(now.started == member.started for now in read_tree(member.pid)[:1])
