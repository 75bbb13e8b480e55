"""Programs of somebody else's do not outlive the launcher."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import os, subprocess, sys
line = [sys.executable, "-m", "launcher.mesh.leash", str(os.getpid()), *sys.argv[1:], "sleep", "300"]
child = subprocess.Popen(line)
print(child.pid, flush=True)
child.wait()
"""
PATIENCE = 20.0


def is_alive(pid: int) -> bool:
    try:
        return b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
@pytest.mark.parametrize(
    "options", [[], pytest.param(["--user", "65534"], marks=pytest.mark.skipif(os.getuid() != 0, reason="needs root"))]
)
def test_it_ends_when_the_launcher_is_killed(options: list[str]) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *options], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    try:
        wait_for(lambda: is_alive(pid))
        parent.send_signal(signal.SIGKILL)
        wait_for(lambda: not is_alive(pid))
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()


def wait_for(holds) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
