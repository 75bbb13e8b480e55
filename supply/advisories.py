"""`make audit-deps`: whether what is shipped has known vulnerabilities, by pip-audit.

A finding fails. Not having been able to ask does not, but is never taken for an all-clear: pip-audit says "no known vulnerabilities" of
packages that it skipped, and so does an index that mirrors files and not advisories. With --strict it fails too.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXPORT = ("export", "--quiet", "--frozen", "--no-dev", "--no-emit-workspace", "--format", "requirements.txt")
PATIENCE = 300  # seconds for all packages
FOUND, UNASKED = 1, 3  # exit codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What pip-audit said of each package: `findings` are lines, `skipped` the names that nothing is known of."""

    audited: int
    findings: Sequence[str]
    skipped: Sequence[str]

    @property
    def is_all_clear(self) -> bool:
        """Whether every package was asked about, and none is known to be vulnerable."""
        return bool(self.audited) and not self.findings and not self.skipped


def main() -> int:
    """0 for an all-clear, and where nobody could be asked; 1 for findings; 3 with --strict where nobody could be asked."""
    options = _read_options()
    requirements = _export(options.uv)
    if not requirements:
        print("audit-deps: the lock names no package")
        return FOUND
    # One package first: an index without advisories is not asked about all of them.
    report = _audit(requirements[:1])
    if report is not None and report.audited:
        report = _audit(requirements)
    return tell(report, len(requirements), is_strict=options.strict)


def tell(report: Report | None, packages: int, *, is_strict: bool) -> int:
    """Prints what came of it; the exit code. None: pip-audit itself failed."""
    for finding in report.findings if report else ():
        print(f"audit-deps: VULNERABLE: {finding}")
    if report and report.findings:
        return FOUND
    if report and report.is_all_clear:
        print(f"audit-deps: {report.audited} packages, no known vulnerability")
        return 0
    unasked = packages - (report.audited if report else 0)
    print(f"audit-deps: NOT AUDITED: {unasked} of {packages} packages; no advisory service answered for them")
    return UNASKED if is_strict else 0


def read_report(document: Mapping[str, Any]) -> Report:
    """pip-audit's JSON. Pure."""
    packages = document["dependencies"]
    known = [package for package in packages if "vulns" in package]
    return Report(
        audited=len(known),
        findings=[line for package in known for line in _list_findings(package)],
        skipped=[package["name"] for package in packages if "vulns" not in package],
    )


def _list_findings(package: Mapping[str, Any]) -> list[str]:
    return [
        f"{package['name']} {package['version']}: {', '.join([found['id'], *found.get('aliases', [])])};"
        f" fixed in {', '.join(found.get('fix_versions', [])) or 'no version yet'}"
        for found in package["vulns"]
    ]


def _export(uv: str) -> list[str]:
    """`name==version` of everything that is shipped, for whatever platform."""
    done = subprocess.run([uv, *EXPORT, "--no-hashes"], check=True, capture_output=True, text=True)  # noqa: S603
    lines = [line.partition(";")[0].strip() for line in done.stdout.splitlines()]
    return [line for line in lines if "==" in line and not line.startswith("#")]


def _audit(requirements: Sequence[str]) -> Report | None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "requirements.txt"
        file.write_text("\n".join(requirements) + "\n")
        command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json", "-r", str(file)]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)  # noqa: S603
            return read_report(json.loads(done.stdout))
        except (subprocess.TimeoutExpired, ValueError, KeyError):
            return None


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make audit-deps", description=__doc__)
    parser.add_argument("--strict", action="store_true", help="fail where nobody could be asked (a release does)")
    parser.add_argument("--uv", default=".tools/bin/uv", help="the uv that reads the lock")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
