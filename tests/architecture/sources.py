"""The repository's own source: which package each file belongs to, what it imports, how long its functions are."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Every package of the workspace, bottom first, and the folder its sources are in.
PACKAGES = {
    "runestone": "services/protos/src/runestone",
    "chassis": "services/chassis/src/chassis",
    "audit_svc": "audit-svc/src/audit_svc",
    "cache_svc": "cache-svc/src/cache_svc",
    "gateway_edge": "gateway-edge/src/gateway_edge",
    "provider_svc": "provider-svc/src/provider_svc",
    "ratelimit_svc": "ratelimit-svc/src/ratelimit_svc",
    "launcher": "services/launcher/src/launcher",
    "runestone_client": "sdk/python/src/runestone_client",
}
SERVICES = ("audit_svc", "cache_svc", "gateway_edge", "provider_svc", "ratelimit_svc")
WRITTEN = tuple(package for package in PACKAGES if package != "runestone")  # the stubs are generated


@dataclass(frozen=True)
class Source:
    """One Python file."""

    package: str
    path: Path

    @property
    def name(self) -> str:
        """Its path from the package's folder: `config/rules.py`."""
        return str(self.path.relative_to(ROOT / PACKAGES[self.package]))

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    def imports(self) -> set[str]:
        """The full names of the modules it imports, wherever in the file the import stands."""
        return set(self._imports())

    def _imports(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{self._base(node)}.{alias.name}" for alias in node.names)

    def _base(self, node: ast.ImportFrom) -> str:
        """The module a `from` import starts at; a relative one is counted from this file."""
        if not node.level:
            return node.module or ""
        here = [self.package, *Path(self.name).parts][: -node.level]
        return ".".join([*here, node.module] if node.module else here)

    def functions(self) -> Iterator[tuple[str, int]]:
        """Each function's name and how many lines it has, from `def` to its last; nested ones count in their own right."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{self.package}/{self.name}:{node.name}", node.end_lineno - node.lineno + 1


def sources_of(package: str) -> list[Source]:
    """Every Python file of a package."""
    return [Source(package, path) for path in sorted((ROOT / PACKAGES[package]).rglob("*.py"))]


def written_sources() -> list[Source]:
    """Every file that a person wrote."""
    return [source for package in WRITTEN for source in sources_of(package)]


def tracked_files() -> list[Path]:
    """What git knows or would add: everything that is not ignored."""
    # Continuous integration may run as another user than the one who cloned.
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]
