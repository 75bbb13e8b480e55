"""The secrets of deploy/compose.yaml, made where they are missing: `make_secrets.py FOLDER`, in an image of ours.

`api.key` calls, `admin.key` administers, `postgres.password` is the database's; `tls.crt` and `tls.key` are Envoy's, signed by the
authority in `ca.crt`. Only their owner reads them, but for the password: the database runs as somebody else.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from launcher.keyfiles import ensure_key

KEYS = ("api.key", "admin.key", "postgres.password")
CERTIFICATE = ("tls.crt", "tls.key", "ca.crt")


def make_secrets(folder: Path, hosts: list[str]) -> None:
    """Makes what is missing; a certificate that is near its end is made anew. Raises CalledProcessError when none can be made."""
    for name in KEYS:
        ensure_key(folder / name)
    (folder / "postgres.password").chmod(0o444)
    made = folder / "certificates"
    named = [option for host in hosts for option in ("--front-host", host)]
    subprocess.run(["runestone", "certs", "create", "--out", str(made), "--name", "envoy", *named], check=True)
    for name in CERTIFICATE:
        replace(made / "front" / name, folder / name)


def replace(source: Path, target: Path) -> None:
    """Puts a copy in the place of `target` at once: Envoy reads it again when that happens."""
    beside = target.with_suffix(".new")
    shutil.copy(source, beside)
    beside.replace(target)


if __name__ == "__main__":
    make_secrets(Path(sys.argv[1]), os.environ["FRONT_HOSTS"].split())
