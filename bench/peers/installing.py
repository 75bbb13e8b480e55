"""Peers live in `.tools/peers/<name>`, each apart from the project's environment and from the system."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.mesh import ROOT
from bench.processes import make_environment
from bench.refusal import NotMeasured

TOOLS = ROOT / ".tools"
PATIENCE = 600.0  # seconds that one step of an installation may take


def find_tool(name: str) -> str:
    """A program's path, the project's own first. Raises NotMeasured when there is none."""
    found = shutil.which(name, path=str(TOOLS / "bin")) or shutil.which(name)
    if found is None:
        raise NotMeasured(f"{name} is not installed")
    return found


def install_once(name: str, version: str, fill: Callable[[Path], None]) -> Path:
    """The folder of a peer, filled by `fill` unless this version is there already. Half an installation is none."""
    folder = TOOLS / "peers" / name
    stamp = folder / f".installed-{version}"
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        fill(folder)
        stamp.touch()
    return folder


def install_wheels(folder: Path, requirement: str) -> None:
    """A virtual environment with `requirement` in it, its modules compiled as a deployment would have them."""
    uv = find_tool("uv")
    run([uv, "venv", "--quiet", "--allow-existing", "--python", "python3", str(folder)], folder)
    python = str(folder / "bin" / "python")
    run([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, requirement], folder)


def run(command: Sequence[str], folder: Path) -> str:
    """One step of an installation, in the peer's folder; what it printed. Raises NotMeasured; the reason is in its log."""
    try:
        done = subprocess.run(
            command, cwd=folder, env=make_environment({}), stdin=subprocess.DEVNULL, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMeasured(f"cannot be installed: {Path(command[0]).name}: {type(error).__name__}") from error
    if done.returncode:
        log = folder.with_name(f"{folder.name}.log")
        log.write_text(done.stdout)
        raise NotMeasured(f"cannot be installed: {Path(command[0]).name} ended with {done.returncode}; see {log.name}")
    return done.stdout
