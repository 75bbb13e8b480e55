"""Autobahn's fuzzing client against the edge's stack: the suite that WebSocket implementations are measured by. It runs on Python 2.7."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from socket_stage import KEY, PATH

CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
# A thousand messages each: of every kind one, as all of them take a quarter of an hour; but for smaller windows, which are not agreed to.
COMPRESSED = [
    "12.1.1",
    "12.1.5",
    "12.2.3",
    "12.3.2",
    "12.4.4",
    "12.5.1",
    "13.1.1",
    "13.2.2",
    "13.4.1",
    "13.7.2",
]
PATIENCE = 280  # seconds
INSTALLED = Path(__file__).parents[2] / ".tools/autobahn/bin/wstest"  # by `make autobahn`

# A text that is no UTF-8 inside one frame may be refused as soon as the byte comes; it is when the frame is whole.
NON_STRICT = {"6.4.3", "6.4.4"}


def find_suite() -> list[str]:
    """The command that starts it. Skips the test where it is not there."""
    named = os.environ.get("RUNESTONE_WSTEST") or shutil.which("wstest")
    if named:
        return [named]
    if INSTALLED.exists():
        return [str(INSTALLED)]
    pytest.skip(
        "Autobahn's suite is not there, which needs a Python 2.7: `make autobahn`, or name it in RUNESTONE_WSTEST"
    )


@contextmanager
def echo_served(**websocket: Any) -> Iterator[str]:
    """The URL of an echo in a process of its own."""
    config = {"edge": {"websocket": {"max_messages_per_second": 1_000_000, **websocket}}}
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "socket_stage", json.dumps(config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        try:
            yield f"ws://127.0.0.1:{int(process.stdout.readline())}{PATH}?api_key={KEY}"
        finally:
            process.kill()


def run(suite: list[str], url: str, cases: list[str], folder: Path) -> dict[str, dict[str, Any]]:
    """What it found, by case."""
    plan = {
        "outdir": str(folder / "found"),
        "servers": [{"agent": "edge", "url": url}],
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    command = [*suite, "-m", "fuzzingclient", "-s", str(folder / "plan.json")]
    environment = os.environ | {"PYTHONUSERBASE": str(INSTALLED.parents[1])}
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, dict[str, Any]] = json.loads((folder / "found" / "index.json").read_text())["edge"]
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("cases", "websocket", "least"),
    [(CASES, {}, 290), (COMPRESSED, {"compression": True}, 9)],
    ids=["frames", "compression"],
)
def test_no_case_fails(cases: list[str], websocket: dict[str, Any], least: int, tmp_path: Path) -> None:
    suite = find_suite()
    with echo_served(**websocket) as url:
        found = run(suite, url, cases, tmp_path)
    assert len(found) >= least
    behaviour = {
        case: {told["behavior"], told["behaviorClose"]} - {"OK", "INFORMATIONAL"} for case, told in found.items()
    }
    assert {case: told for case, told in behaviour.items() if told and case not in NON_STRICT} == {}
    assert all(told <= {"NON-STRICT"} for told in behaviour.values())
