"""A PostgreSQL behind the mesh, which keeps the audit records from one run to the next. It refuses to run as root: there it is nobody's."""

import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from launcher.child import Command
from launcher.errors import LaunchError
from launcher.mesh.envoy_process import LEASH
from launcher.mesh.parts import LOOPBACK
from launcher.mesh.store import Store

USER = "runestone"
NOBODY = 65_534
HOMES = Path("/var/tmp")  # noqa: S108  a private folder in it, which outlives a restart of the machine
DEBIAN = Path("/usr/lib/postgresql")
PATIENCE = 120.0  # seconds for `initdb` on a busy machine


def plan_postgres(folder: Path, ports: Iterator[int]) -> Store | None:
    """The database in `folder`, made where there is none yet; None where no PostgreSQL is installed. Raises LaunchError when it cannot be
    made."""
    programs = find_programs()
    if programs is None:
        return None
    home = find_home(folder)
    password = folder / "postgres.password"
    if not (home / "data" / "PG_VERSION").exists():
        _make_database(programs, home, password)
    port = next(ports)
    options = {"port": port, "listen_addresses": LOOPBACK, "unix_socket_directories": "", "log_min_messages": "fatal"}
    flags = [f"--{name}={value}" for name, value in options.items()]
    user = ["--user", str(NOBODY)] if is_root() else []
    line = [*LEASH, *user, str(programs / "postgres"), "-D", str(home / "data"), *flags]
    url = f"postgresql://{USER}:${{FILE:{password}}}@{LOOPBACK}:{port}/postgres?sslmode=disable"
    return Store(url=url, port=port, command=Command(name="postgres", arguments=line))


def find_programs() -> Path | None:
    """The folder with `initdb` and `postgres`: of Debian's latest version, else on the PATH."""
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = versions[-1] if versions else shutil.which("initdb")
    return Path(found).parent if found else None


def is_root() -> bool:
    """Whether we may be anybody."""
    return os.getuid() == 0


def find_home(folder: Path) -> Path:
    """Where its files are. Nobody may not enter a folder of root's: then another one, the same for the same data directory."""
    home = folder / "postgres"
    if is_root():
        home = HOMES / f"runestone-postgres-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    home.mkdir(mode=0o700, exist_ok=True)
    if is_root():
        os.chown(home, NOBODY, NOBODY, follow_symlinks=False)
    if home.is_symlink() or home.stat().st_uid != (NOBODY if is_root() else os.getuid()):
        raise LaunchError(f"{home} is somebody else's")
    return home


def _make_database(programs: Path, home: Path, password: Path) -> None:
    shutil.rmtree(home / "data", ignore_errors=True)  # one that was begun
    secret = secrets.token_hex(24)
    with tempfile.NamedTemporaryFile("w", dir=home) as file:
        file.write(secret)
        file.flush()
        if is_root():
            os.chown(file.name, NOBODY, NOBODY)
        options = ["-U", USER, f"--pwfile={file.name}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        _run([str(programs / "initdb"), "-D", str(home / "data"), *options])
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(secret)


def _run(command: list[str]) -> None:
    identity: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if is_root() else {}
    done = subprocess.run(  # noqa: S603  what is installed
        command, capture_output=True, text=True, check=False, timeout=PATIENCE, cwd="/", **identity
    )
    if done.returncode:
        raise LaunchError(f"PostgreSQL cannot be set up: {done.stderr.strip()}")
