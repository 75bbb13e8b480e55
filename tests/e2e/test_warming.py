"""Questions asked before anybody else asks them: at start, from a file, and from what records hold."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from real_mesh import ACME, OTHER, Mesh, mesh_running

PATIENCE = 20.0  # seconds


def question(text: str, **members: Any) -> dict[str, Any]:
    return {"model": "simulated", "messages": [{"role": "user", "content": text}], "temperature": 0, **members}


AT_START = [question("asked at start"), question("asked at start as a stream", stream=True)]


@pytest.fixture(scope="module")
def warmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh that warms its cache at start; two workers, one of which does it, and records hold questions."""
    file = tmp_path_factory.mktemp("warm") / "questions.jsonl"
    lines = [json.dumps(AT_START[0]), "no question", json.dumps({"request": AT_START[1]})]
    file.write_text("\n".join(lines))
    cache = {"warm_on_startup": True, "warm": {"file": str(file), "tenant": "acme", "key": "ci", "rate": 50}}
    edge = {"workers": 2, "http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
    with mesh_running(cache=cache, edge=edge, audit={"capture": "questions"}) as mesh:
        wait_until(lambda: counted(mesh, "bad_line") == 1 and counted(mesh, "miss") == len(AT_START))
        yield mesh


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "key"
    path.write_text(ACME)
    return str(path)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def counted(mesh: Mesh, outcome: str) -> int:
    """How many lines of the file came to that."""
    with urllib.request.urlopen(f"{mesh.admin_url}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    counts = (line for line in lines if line.startswith("runestone_cache_warmed_total{") and f'"{outcome}"' in line)
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in counts))


async def ask(mesh: Mesh, body: dict[str, Any], key: str = ACME) -> str:
    """What `x-cache` says."""
    async with aiohttp.ClientSession(mesh.url, headers={"authorization": f"Bearer {key}"}) as session:
        async with session.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            await answer.read()
            return answer.headers["x-cache"]


@pytest.mark.parametrize("body", AT_START, ids=["unary", "stream"])
async def test_the_first_to_ask_what_was_warmed_gets_it_from_the_cache(warmed: Mesh, body: dict[str, Any]) -> None:
    assert await ask(warmed, body) == "HIT"


async def test_what_was_warmed_for_one_tenant_is_not_anothers(warmed: Mesh) -> None:
    assert await ask(warmed, AT_START[0], OTHER) == "MISS"


def test_what_warming_asks_is_on_record_as_the_tenants(warmed: Mesh) -> None:
    def found() -> list[Any]:
        records = warmed.audit_records(tenant="acme")
        return [record for record in records if not record.client_address and b"asked at start" in record.question]

    wait_until(lambda: len(found()) == len(AT_START))
    assert {(record.key, record.cache, record.status, record.bytes_sent) for record in found()} == {
        ("ci", "MISS", 200, 0)
    }


async def test_a_files_questions_are_hits_after_the_command(warmed: Mesh, tmp_path: Path, key_file: str) -> None:
    bodies = [question(f"of a file, {number}") for number in range(3)]
    (tmp_path / "file").write_text("\n".join(map(json.dumps, [*bodies, bodies[0]])))
    options = ("--key-file", key_file, "--rate", "50", "--concurrency", "1")
    (said,) = warmed.command("cache", "warm", str(tmp_path / "file"), *options)
    assert (said["asked"], said["misses"], said["hits"], said["failed"]) == (4, 3, 1, 0)
    assert [await ask(warmed, body) for body in bodies] == ["HIT"] * 3


async def test_records_bring_back_what_a_lost_cache_held(warmed: Mesh, key_file: str) -> None:
    """As one that was killed has: its memory is gone, the records are not. For two seconds provider-svc still has the calls that filled
    it and gives them again, and such an answer is not kept: warming is repeated until there is nothing left to ask."""
    body, kept_back = question("remember me"), question("forget me", store=False)
    for asked in (body, kept_back):
        await ask(warmed, asked)
    wait_until(lambda: any(b"remember me" in record.question for record in warmed.audit_records(tenant="acme")))
    kill_cache(warmed)
    options = ("--key-file", key_file, "--rate", "50", "--tenant", "acme")

    def warm() -> dict[str, Any]:
        (said,) = warmed.command("cache", "warm", "--from-audit", *options)
        assert said["failed"] == 0
        return said

    assert warm()["misses"] >= 1
    wait_until(lambda: warm()["misses"] == 0)
    assert await ask(warmed, body) == "HIT"
    assert not any(b"forget me" in record.question for record in warmed.audit_records(tenant="acme"))


def kill_cache(mesh: Mesh) -> None:
    """Until it is there again, and empty."""

    def parts() -> dict[str, Any]:
        with urllib.request.urlopen(f"{mesh.admin_url}/health/readiness", timeout=5) as answer:
            return json.load(answer)["parts"]

    before = parts()["cache"]["pid"]
    os.kill(before, signal.SIGKILL)

    def is_back() -> bool:
        try:
            return bool(parts()["cache"]["pid"] not in (before, None))
        except OSError:  # not ready is 503
            return False

    wait_until(is_back)
