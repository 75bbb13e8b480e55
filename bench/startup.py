"""How long each process of the mesh spends on imports, as `python -X importtime` counts it."""

import subprocess
import sys

from bench.processes import make_environment
from bench.refusal import NotMeasured
from launcher.topology import TOPOLOGY

MODULES = {**{node.module: ["--help"] for node in TOPOLOGY}, "launcher": ["up", "--help"]}


def measure_imports() -> dict[str, float]:
    """Seconds by module. Each is run twice: the first time may have to compile. Raises NotMeasured."""
    return {module: [_run(module, words) for _ in range(2)][-1] for module, words in MODULES.items()}


def _run(module: str, words: list[str]) -> float:
    command = [sys.executable, "-X", "importtime", "-m", module, *words]
    done = subprocess.run(
        command,
        env=make_environment({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise NotMeasured(f"{module} cannot be imported: {done.stderr[-2000:]}")
    return sum_imports(done.stderr) / 1e6


def sum_imports(report: str) -> int:
    """Microseconds spent in all modules themselves, from lines like `import time:  self |  cumulative | name`."""
    selves = (line.removeprefix("import time:").split("|")[0].strip() for line in report.splitlines() if "|" in line)
    return sum(int(own) for own in selves if own.isdigit())
