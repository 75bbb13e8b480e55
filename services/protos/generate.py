"""Regenerates the stubs under `src/` from `proto/`. Run by `make proto`; `make lint` runs it with --check."""

import argparse
import filecmp
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).parent
PROTO = HERE.parent.parent / "proto"
STUBS = HERE / "src" / "runestone"
PLUGINS = ("python_out=", "grpc_python_out=", "mypy_out=quiet:", "mypy_grpc_out=quiet,only_async:")


def generate(out: Path) -> None:
    """Writes modules, gRPC stubs and their types below `out`; raises SystemExit with protoc's code on an error."""
    sources = sorted(str(path) for path in PROTO.rglob("*.proto"))
    outputs = [f"--{plugin}{out}" for plugin in PLUGINS]
    code = protoc.main(["protoc", f"-I{PROTO}", f"-I{files('grpc_tools') / '_proto'}", *outputs, *sources])
    if code:
        raise SystemExit(code)
    drop_stubs_without_service(out)
    for folder in {path.parent for path in (out / "runestone").rglob("*.py")} | {out / "runestone"}:
        for package in (folder, *folder.parents):
            if package == out:
                break
            (package / "__init__.py").touch()


def drop_stubs_without_service(out: Path) -> None:
    """protoc writes a `_pb2_grpc` for every file; those without a service hold nothing."""
    for stub in out.rglob("*_pb2_grpc.py"):
        if "Stub" not in stub.read_text():
            stub.unlink()
            stub.with_suffix(".pyi").unlink(missing_ok=True)


def relative_files(root: Path) -> set[Path]:
    return {path.relative_to(root) for path in root.rglob("*.py*") if "__pycache__" not in path.parts}


def stale_files(fresh: Path) -> list[str]:
    """Names the stubs that differ from `fresh`, are missing, or have no proto any more."""
    ours, theirs = relative_files(STUBS), relative_files(fresh)
    different = {name for name in ours & theirs if not filecmp.cmp(STUBS / name, fresh / name, shallow=False)}
    return sorted(map(str, (ours ^ theirs) | different))


def replace_stubs(fresh: Path) -> None:
    for name in relative_files(STUBS) - relative_files(fresh):
        (STUBS / name).unlink()
    for name in relative_files(fresh):
        (STUBS / name).parent.mkdir(parents=True, exist_ok=True)
        (STUBS / name).write_bytes((fresh / name).read_bytes())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a stub is stale")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as out:
        generate(Path(out))
        fresh = Path(out) / "runestone"
        if not check:
            replace_stubs(fresh)
        elif stale := stale_files(fresh):
            print("stale stubs (run `make proto`):", *stale, sep="\n  ")  # noqa: T201  the message for the developer
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
