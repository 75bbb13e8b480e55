"""The secrets of deploy/compose.yaml, made where they are missing: `make_secrets.py`, in an image of ours.

All of them, and the authority that signs, are in `MADE`, which nobody else sees. Each container has a volume of its own, mounted here
as `GIVEN/<name>`, with what it is to know: keys, the database's password, its certificate. Only that container's group reads it.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.keyfiles import ensure_key

MADE, GIVEN = Path("/made"), Path("/given")
KEYS = ("api.key", "admin.key", "postgres.password")
OURS, POSTGRES = 65532, 999  # groups

# What a folder of GIVEN holds, by the name of whose it is: keys, and certificates with the folder that each is in.
HOLDS: Mapping[str, tuple[Sequence[str], Mapping[str, str]]] = {
    "edge": (("api.key", "admin.key"), {"edge": ""}),
    "cache": ((), {"cache": ""}),
    "ratelimit": ((), {"ratelimit": ""}),
    "provider": ((), {"provider": ""}),
    "audit": (("postgres.password",), {"audit": ""}),
    "envoy": ((), {"envoy": "mesh", "front": "front"}),
    "operator": ((), {"operator": ""}),
    "postgres": (("postgres.password",), {}),
}


def make_secrets(hosts: Sequence[str]) -> None:
    """Makes what is missing; a certificate that is near its end is made anew. Raises CalledProcessError when none can be made."""
    for name in KEYS:
        ensure_key(MADE / name)
    named = [option for host in hosts for option in ("--front-host", host)]
    subprocess.run(["runestone", "certs", "create", "--out", str(MADE / "certificates"), *named], check=True)


def give(name: str, keys: Sequence[str], certificates: Mapping[str, str]) -> None:
    """Copies what `name` is to know into its folder."""
    group = POSTGRES if name == "postgres" else OURS
    for key in keys:
        replace(MADE / key, GIVEN / name / key, group)
    for whose, folder in certificates.items():
        for file in ("tls.key", "tls.crt", "ca.crt"):
            replace(MADE / "certificates" / whose / file, GIVEN / name / folder / file, group)


def replace(source: Path, target: Path, group: int) -> None:
    """Puts a copy in the place of `target` at once, where it is another: it is read again when that happens."""
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    target.parent.mkdir(exist_ok=True)
    beside = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, beside)
    os.chown(beside, -1, group)
    beside.chmod(0o440)
    beside.replace(target)


if __name__ == "__main__":
    make_secrets(os.environ["FRONT_HOSTS"].split())
    for name, (keys, certificates) in HOLDS.items():
        give(name, keys, certificates)
