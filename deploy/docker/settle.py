"""Makes an installed environment fit for an image: what never runs goes, what serving loads is compiled, and no byte tells
when and where it was made. `settle.py ENVIRONMENT SERVICE`."""

import base64
import csv
import hashlib
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

SITE = "lib/python*/site-packages"
# What is never run: sources of extensions and stubs, types, the tools' own notes with their dates and paths, scripts of other
# shells, how to highlight five hundred languages, another major version.
SURPLUS_FILES = (
    "**/*.pyx", "**/*.pxd", "**/*.pxi", "**/*.c", "**/*.h", "**/*.hash", "**/*.proto", "**/*.pyi",
    f"{SITE}/pygments/lexers/[!_]*.py", f"{SITE}/pygments/lexers/_*_builtins.py",
    "**/uv_cache.json", "**/direct_url.json", "**/REQUESTED",
    "bin/activate*", "bin/*.bat", "CACHEDIR.TAG", ".lock", ".gitignore",
)  # fmt: skip
SURPLUS_FOLDERS = ("**/__pycache__", f"{SITE}/*/tests", f"{SITE}/*/test", f"{SITE}/pydantic/v1")
KEPT_COMMANDS = {"runestone", "python", "python3"}
# The package of each service by its name in `runestone serve`.
PACKAGES = {
    "edge": "gateway_edge",
    "cache": "cache_svc",
    "ratelimit": "ratelimit_svc",
    "provider": "provider_svc",
    "audit": "audit_svc",
}
LOADED = """\
import sys
import launcher.cli.serve, launcher.cli, launcher.health, launcher.serving, {package}.service
print(*sorted({{m.__file__ for m in sys.modules.values() if str(getattr(m, "__file__", "")).endswith(".py")}}), sep="\\n")
"""


def settle(root: Path, service: str) -> None:
    """Changes everything below `root`, where the launcher and `service` are installed."""
    remove_surplus(root)
    subprocess.run(["strip", "--strip-unneeded", *root.glob(f"{SITE}/**/*.so")], check=True)
    compile_loaded(root, PACKAGES[service])
    for record in root.glob(f"{SITE}/*.dist-info/RECORD"):
        record_again(record)


def remove_surplus(root: Path) -> None:
    """Removes what is never run."""
    for pattern in SURPLUS_FOLDERS:
        for folder in list(root.glob(pattern)):
            shutil.rmtree(folder, ignore_errors=True)
    for pattern in SURPLUS_FILES:
        for file in list(root.glob(pattern)):
            file.unlink()
    for command in (root / "bin").iterdir():
        if command.name.removesuffix(f".{sys.version_info.minor}") not in KEPT_COMMANDS:
            command.unlink()


def compile_loaded(root: Path, package: str) -> None:
    """Compiles the modules that serving loads: the root of the image cannot be written to, and a container would compile them at each
    start. No date tells whether what is compiled still holds, and nobody looks: sources in an image do not change."""
    asked = [root / "bin/python", "-B", "-c", LOADED.format(package=package)]
    found = subprocess.run(asked, check=True, capture_output=True, text=True)
    for source in found.stdout.splitlines():
        if Path(source).is_relative_to(root):
            py_compile.compile(source, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def record_again(record: Path) -> None:
    """Writes a distribution's list of files as they are now, in one order (https://packaging.python.org/specifications/recording-installed-packages/).
    What was compiled is left out, as installers do."""
    folder = record.parents[1]
    with record.open(newline="") as file:
        names = sorted(name for name, *_ in csv.reader(file) if (folder / name).exists())
    with record.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(describe(folder, name, record) for name in names)


def describe(folder: Path, name: str, record: Path) -> tuple[str, str, int | str]:
    """One line of the list: the file, its hash, its size; of the list itself only its name."""
    if folder / name == record:
        return name, "", ""
    data = (folder / name).read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return name, f"sha256={digest}", len(data)


if __name__ == "__main__":
    settle(Path(sys.argv[1]), sys.argv[2])
