"""Whether everything that is installed is named by its content, and comes from one place. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

INDEX = "https://pypi.org/simple"
FILES = "https://files.pythonhosted.org/"
OURS = {"editable", "virtual"}  # what stands in this repository


def find_unlocked(lock: Mapping[str, Any]) -> Iterator[str]:
    """A line for each package of a `uv.lock` that comes from elsewhere than the index, and for each file of one that has no SHA-256 or
    lies elsewhere."""
    for package in lock["package"]:
        name, source = package["name"], package.get("source", {})
        if OURS & source.keys():
            continue
        if source.get("registry") != INDEX:
            yield f"{name}: comes from {source or 'nowhere'}, not from {INDEX}"
            continue
        files = [*filter(None, [package.get("sdist")]), *package.get("wheels", [])]
        if not files:
            yield f"{name}: has no file"
        for file in files:
            yield from _find_faults(name, file)


def _find_faults(name: str, file: Mapping[str, str]) -> Iterator[str]:
    kind, _, digest = file.get("hash", "").partition(":")
    if kind != "sha256" or len(digest) != 64:
        yield f"{name}: {file.get('url')} has no SHA-256"
    if not file.get("url", "").startswith(FILES):
        yield f"{name}: {file.get('url')} does not lie at {FILES}"


def find_unlocked_node(lock: Mapping[str, Any]) -> Iterator[str]:
    """A line for each package of a `package-lock.json` that has no SHA-512, or is fetched past the registry."""
    for path, package in lock["packages"].items():
        if not path or package.get("link"):
            continue
        if not package.get("integrity", "").startswith("sha512-"):
            yield f"{path}: has no SHA-512"
        if package.get("resolved", "https://registry.npmjs.org/").partition(":")[0] != "https":
            yield f"{path}: is fetched from {package['resolved']}"


def list_shipped(lock: Mapping[str, Any], roots: Iterator[str] | list[str]) -> set[str]:
    """The names of all packages that `roots` need when they run, on whatever platform: what is for development only is not among them."""
    packages: dict[str, list[Mapping[str, Any]]] = {}
    for package in lock["package"]:
        packages.setdefault(package["name"], []).append(package)
    found: set[str] = set()
    wanted: list[tuple[str, tuple[str, ...]]] = [(root, ()) for root in roots]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while wanted:
        name, extras = entry = wanted.pop()
        if entry in seen:
            continue
        seen.add(entry)
        found.add(name)
        for package in packages.get(name, []):
            optional = package.get("optional-dependencies", {})
            needed = [*package.get("dependencies", []), *(one for extra in extras for one in optional.get(extra, []))]
            wanted += [(one["name"], tuple(one.get("extra", ()))) for one in needed]
    return found
