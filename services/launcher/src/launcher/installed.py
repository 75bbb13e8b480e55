"""What of the mesh this installation has: an image holds the launcher and one service."""

from collections.abc import Iterable
from importlib.util import find_spec

from launcher.errors import LaunchError
from launcher.topology import TOPOLOGY

EXTRAS = {node.module: node.name for node in TOPOLOGY}  # as in the launcher's pyproject.toml


def explain_absence(error: ModuleNotFoundError) -> str | None:
    """The line for the user when `error` is about a service that is not installed; None when it is about anything else."""
    missing = EXTRAS.get((error.name or "").partition(".")[0])
    return None if missing is None else tell([missing])


def refuse_absent(modules: Iterable[str]) -> None:
    """Raises LaunchError when a service that is to be started is not installed: it would die at each start."""
    if missing := sorted({EXTRAS[module] for module in modules if module in EXTRAS and find_spec(module) is None}):
        raise LaunchError(tell(missing))


def tell(missing: list[str]) -> str:
    """What is missing, and where it is had."""
    return f"not installed here: {', '.join(missing)}; it comes with runestone-launcher[{','.join(missing)}]"
