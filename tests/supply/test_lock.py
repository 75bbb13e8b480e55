"""Everything that is installed is named by its content and comes from one place, and nothing that is shipped runs by being installed."""

import copy
import json
import tomllib
from importlib.metadata import Distribution, PathDistribution, distributions
from pathlib import Path

import pytest

from supply.lock import find_unlocked, find_unlocked_node, list_shipped

ROOT = Path(__file__).parents[2]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
NODE_LOCKS = [ROOT / folder / "package-lock.json" for folder in ("tests/e2e/phoenix", "sdk/typescript")]

# Distributions of the closure that may bring a `.pth` file, and what it is for. A `.pth` runs in every Python that is started.
ALLOWED: dict[str, str] = {}


def test_every_package_has_hashes_and_comes_from_the_index():
    assert len(LOCK["package"]) > 100
    assert list(find_unlocked(LOCK)) == []


def one_package():
    lock = copy.deepcopy(LOCK)
    lock["package"] = [package for package in lock["package"] if package["name"] == "grpcio"]
    return lock, lock["package"][0]


def test_what_is_not_locked_is_found():
    """The test of the test above."""
    lock, package = one_package()
    assert list(find_unlocked(lock)) == []
    del package["wheels"][0]["hash"]
    package["wheels"][1]["hash"] = "md5:" + "0" * 32
    package["sdist"]["url"] = "https://files.example/grpcio.tar.gz"
    assert [line.rpartition(" ")[2] for line in find_unlocked(lock)] == [
        "https://files.pythonhosted.org/",
        "SHA-256",
        "SHA-256",
    ]
    for source in (
        {"registry": "https://index.example/simple"},
        {"git": "https://example/grpc"},
        {"url": "https://x/y.whl"},
        {},
    ):
        package["source"] = source
        [line] = find_unlocked(lock)
        assert line.startswith("grpcio: comes from")


@pytest.mark.parametrize("path", NODE_LOCKS, ids=lambda path: path.parent.name)
def test_every_package_of_node_has_hashes_and_comes_from_the_registry(path):
    lock = json.loads(path.read_text())
    assert len(lock["packages"]) > 1
    assert list(find_unlocked_node(lock)) == []
    name = next(name for name in lock["packages"] if name)
    lock["packages"][name] = {"resolved": "git+ssh://example/x.git"}
    assert list(find_unlocked_node(lock)) == [
        f"{name}: has no SHA-512",
        f"{name}: is fetched from git+ssh://example/x.git",
    ]


SHIPPED = list_shipped(
    LOCK, ["runestone-launcher", *(f"runestone-{name}-svc" for name in ("cache", "ratelimit", "provider", "audit"))]
)


def test_what_is_shipped_is_what_is_needed_to_run():
    assert {"grpcio", "aiohttp", "redis", "hiredis", "uvloop", "runestone-chassis"} <= SHIPPED
    assert SHIPPED.isdisjoint({"pytest", "mypy", "grpcio-tools", "setuptools", "xds-protos", "pip-audit", "openai"})


def list_start_files(distribution: Distribution) -> list[str]:
    return [str(file) for file in distribution.files or [] if file.suffix == ".pth" or file.name == "sitecustomize.py"]


def is_link(distribution: Distribution, name: str) -> bool:
    """Whether it only names the folder of one of our own packages, which are installed here as they are edited."""
    lines = [
        line.strip() for line in Path(str(distribution.locate_file(name))).read_text().splitlines() if line.strip()
    ]
    return len(lines) == 1 and Path(lines[0]).is_relative_to(ROOT)


def test_nothing_that_is_shipped_runs_by_being_installed():
    installed = {d.metadata["Name"].lower().replace("_", "-"): d for d in distributions()}
    looked_at = [installed[name] for name in SHIPPED if name in installed]
    assert len(looked_at) > 40
    found = [
        (distribution.metadata["Name"], name)
        for distribution in looked_at
        for name in list_start_files(distribution)
        if not (distribution.metadata["Name"].startswith("runestone-") and is_link(distribution, name))
    ]
    assert [entry for entry in found if entry[0] not in ALLOWED] == []


def test_a_file_that_runs_at_every_start_is_found(tmp_path):
    """The test of the test above."""
    (tmp_path / "x.dist-info").mkdir()
    (tmp_path / "x.dist-info" / "RECORD").write_text("x/__init__.py,,\nx-hook.pth,,\nsitecustomize.py,,\n")
    (tmp_path / "x-hook.pth").write_text("import x")
    (tmp_path / "x-link.pth").write_text(f"{ROOT / 'supply'}\n")
    distribution = PathDistribution(tmp_path / "x.dist-info")
    assert list_start_files(distribution) == ["x-hook.pth", "sitecustomize.py"]
    assert [is_link(distribution, name) for name in ("x-hook.pth", "x-link.pth")] == [False, True]
