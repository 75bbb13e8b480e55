import asyncio
import io
import shlex
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from chassis.health import Fact
from launcher.inspection import STARTING, PartStatus
from launcher.meshfile import HttpAddress, MeshFile
from launcher.status import Board, describe_mesh, draw_parts, list_trouble, write_curl

HTTP = HttpAddress("127.0.0.1", 4003)
ADMIN = HttpAddress("127.0.0.1", 4004)
MESH = MeshFile(pid=1, version="v", control="", http=HTTP, admin=ADMIN, services={}, started_at=0)
READY = PartStatus(name="cache", address="unix:/c", is_ready=True, pid=7)
WAITING = PartStatus(name="edge-0", address="unix:/e", pid=8, facts=(Fact("peers", False, "no audit"), Fact("x", True)))
SILENT = PartStatus(name="audit", address="unix:/a", error="does not answer (UNAVAILABLE)")


def test_parts_are_said_once_each_as_they_become_ready(monkeypatch):
    monkeypatch.setattr("launcher.status.PAUSE", 0)
    looks = iter([[SILENT, SILENT], [READY, SILENT], [READY, READY]])

    async def look():
        return next(looks)

    async def run(terminal: bool) -> str:
        out = io.StringIO()
        await Board(Console(file=out, force_terminal=terminal, width=120)).wait_until_ready(look)
        return out.getvalue()

    assert asyncio.run(run(False)) == "cache is ready (pid 7, unix:/c)\n"
    looks = iter([[READY, SILENT], [READY, READY]])
    assert "unix:/c" in asyncio.run(run(True))


def test_who_does_not_say_its_process_is_said_without_one():
    """Envoy's id is the launcher's affair."""

    async def look():
        return [PartStatus(name="envoy", address="127.0.0.1:9901", is_ready=True)]

    out = io.StringIO()
    asyncio.run(Board(Console(file=out, width=120)).wait_until_ready(look))
    assert out.getvalue() == "envoy is ready (127.0.0.1:9901)\n"


def test_trouble_names_the_part_and_the_fact():
    assert list_trouble([READY, WAITING, SILENT]) == "edge-0: peers (no audit); audit: does not answer (UNAVAILABLE)"


def test_the_table_shows_every_part():
    out = io.StringIO()
    Console(file=out, width=120).print(draw_parts([READY, WAITING, SILENT]))
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["cache", "edge-0", "audit"]
    assert "peers (no audit)" in lines[2]


def test_a_part_that_nobody_has_heard_of_yet_is_starting():
    """That nothing answers at its address is no trouble then."""
    starting = PartStatus(name="audit", address="unix:/a", error=STARTING)
    out = io.StringIO()
    Console(file=out, width=120).print(draw_parts([starting]))
    assert out.getvalue().splitlines()[1].split() == ["audit", "starting", "unix:/a"]


def test_the_curl_reads_the_key_from_its_file():
    words = shlex.split(write_curl(HTTP, "simulated", Path("my data/development.key")))
    assert words[:2] == ["curl", "http://127.0.0.1:4003/v1/chat/completions"]
    assert words[3] == "Authorization: Bearer $(cat 'my data/development.key')"


def test_without_a_key_file_the_caller_brings_a_key():
    assert "Bearer $RUNESTONE_API_KEY" in write_curl(HTTP, "simulated", None)


def test_the_curl_asks_for_a_model_that_the_mesh_has():
    assert '"model": "fast"' in describe_mesh(replace(MESH, model="fast"), None)[-1]


def test_the_announcement_is_the_one_that_the_contract_promises():
    assert describe_mesh(MESH, Path(".runestone/development.key"))[-1].strip() == (
        'curl http://127.0.0.1:4003/v1/chat/completions -H "Authorization: Bearer $(cat .runestone/development.key)" '
        "-H 'Content-Type: application/json' "
        '-d \'{"model": "simulated", "messages": [{"role": "user", "content": "Hello"}]}\''
    )


def test_lines_are_not_wrapped_and_not_taken_for_markup():
    out = io.StringIO()
    Board(Console(file=out, width=20)).say("[bold]" + "x" * 100)
    assert out.getvalue() == "[bold]" + "x" * 100 + "\n"
