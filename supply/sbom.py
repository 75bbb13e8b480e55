"""`make sbom`: what is shipped, as CycloneDX 1.5: all of it, and what each service's image holds.

The same commit gives the same files, byte for byte: the time is the commit's (or SOURCE_DATE_EPOCH), and the serial number is made of
the content.
"""

import argparse
import hashlib
import json
import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SERVICES = ("gateway-edge", "cache-svc", "ratelimit-svc", "provider-svc", "audit-svc")
EXPORT = ("export", "--quiet", "--frozen", "--no-dev", "--format", "cyclonedx1.5", "--preview-features", "sbom-export")
LAUNCHER = ("--package", "runestone-launcher")  # in every image: it starts the service

# Each document, and what of the workspace is in it.
PARTS: Mapping[str, Sequence[str]] = {
    "runestone": (),
    **{service: (*LAUNCHER, "--package", f"runestone-{service}") for service in SERVICES},
}


def main() -> None:
    """Writes `<part>.cdx.json` for each part, and says how many components it has."""
    options = _read_options()
    moment = datetime.fromtimestamp(_read_epoch(), UTC)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, selection in PARTS.items():
        document = settle(_export(options.uv, selection), name, moment)
        (options.out / f"{name}.cdx.json").write_text(json.dumps(document, indent=1) + "\n")
        print(f"{options.out}/{name}.cdx.json: {len(document['components'])} components")


def settle(document: dict[str, Any], name: str, moment: datetime) -> dict[str, Any]:
    """The document with nothing in it that depends on when and where it was made. Pure."""
    metadata = document["metadata"]
    root = metadata["component"] | {"type": "application", "name": name}
    settled = document | {
        "metadata": metadata | {"timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": root}
    }
    settled.pop("serialNumber", None)
    digest = hashlib.sha256(json.dumps(settled, sort_keys=True).encode()).hexdigest()
    return settled | {"serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}"}


def _export(uv: str, selection: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run([uv, *EXPORT, *selection], check=True, capture_output=True, text=True)  # noqa: S603
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _read_epoch() -> int:
    """Seconds: what reproducible builds go by (https://reproducible-builds.org/specs/source-date-epoch/), or when the commit was made."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    return int(subprocess.run(["git", "log", "-1", "--format=%ct"], check=True, capture_output=True).stdout)  # noqa: S607


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make sbom", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dist/sbom"), help="the folder that it is written to")
    parser.add_argument("--uv", default=".tools/bin/uv", help="the uv that reads the lock")
    return parser.parse_args()


if __name__ == "__main__":
    main()
