"""Builds the images of all services, or of those that are named, and shows how large each is above its base. `make images`.

A build that is larger than allowed is an error. Which builder is used is Docker's choice; where its client has no `buildx`, the one
that every engine has.
"""

import argparse
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("gateway-edge", "cache-svc", "ratelimit-svc", "provider-svc", "audit-svc")
BASE = "python:3.11-slim-bookworm"
ALLOWED = 90  # MiB above the base
MIB = 1 << 20


def main() -> None:
    """Builds, shows, and refuses what is too large."""
    options = read_options()
    environment = {**os.environ, **choose_builder()}
    for folder in options.folders:
        run("docker", "build", *list_arguments(folder, options), ".", env=environment, quiet=not options.verbose)
    base = ask_size(options.base)
    sizes = {folder: ask_size(reference(folder, options.tag)) for folder in options.folders}
    print(f"{'image':42}{'MiB':>8}{'above base':>12}   base: {options.base}, {base / MIB:.1f} MiB")
    for folder, size in sizes.items():
        print(f"{reference(folder, options.tag):42}{size / MIB:8.1f}{(size - base) / MIB:12.1f}")
    if large := [folder for folder, size in sizes.items() if size - base > ALLOWED * MIB]:
        sys.exit(f"more than {ALLOWED} MiB above the base: {', '.join(large)}")


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", help="which services, by their folders; all without one")
    parser.add_argument("--base", default=BASE, help="the base image; name@sha256:... pins it")
    parser.add_argument("--tag", default=read_version(), help="the images' tag")
    parser.add_argument("--source", default="", help="the address of the source, for the images' label")
    parser.add_argument("--no-cache", action="store_true", help="builds everything anew")
    parser.add_argument("--verbose", action="store_true", help="shows what the builder says")
    options = parser.parse_args()
    options.folders = options.folders or FOLDERS
    if unknown := [folder for folder in options.folders if folder not in FOLDERS]:
        parser.error(f"there is no {', '.join(unknown)}; known are {', '.join(FOLDERS)}")
    return options


def list_arguments(folder: str, options: argparse.Namespace) -> list[str]:
    """What `docker build` is told."""
    told = {
        "BASE": options.base,
        "VERSION": read_version(),
        "REVISION": ask("git", "rev-parse", "HEAD"),
        "SOURCE": options.source,
    }
    named = [part for name, value in told.items() for part in ("--build-arg", f"{name}={value}")]
    anew = ["--no-cache"] if options.no_cache else []
    return ["-f", f"{folder}/Dockerfile", "-t", reference(folder, options.tag), *named, *anew]


def choose_builder() -> dict[str, str]:
    """What the environment has to say for a client without `buildx`."""
    has_buildx = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0
    return {} if has_buildx else {"DOCKER_BUILDKIT": "0"}


def reference(folder: str, tag: str) -> str:
    """An image's name."""
    return f"runestone/{folder}:{tag}"


def read_version() -> str:
    """The project's version."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def ask_size(image: str) -> int:
    """An image's bytes, those of its base among them."""
    return int(json.loads(ask("docker", "image", "inspect", image))[0]["Size"])


def ask(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout.strip()


def run(*command: str, env: dict[str, str], quiet: bool) -> None:
    """Runs a command; what it says is shown when it fails. Ends the process then."""
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(
        command, check=False, stdout=output, stderr=subprocess.STDOUT if quiet else None, text=True, env=env, cwd=ROOT
    )
    if done.returncode:
        sys.exit(f"{done.stdout or ''}\n`{' '.join(command)}` failed")


if __name__ == "__main__":
    main()
