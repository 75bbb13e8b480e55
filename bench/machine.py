"""What the figures were taken on, for the table's caption."""

import os
import platform
from pathlib import Path


def describe_machine() -> str:
    """Cores, processor, kernel and Python; nothing that names the machine itself."""
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores ({_processor()}), Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
