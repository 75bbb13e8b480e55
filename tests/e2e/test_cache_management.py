"""Forgetting, and what the cache says of itself, over two replicas that each keep answers in a memory of their own."""

import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest
from real_mesh import ACME, OTHER, Mesh, mesh_running

MODELS = [
    {"name": name, "targets": [{"provider": "sim", "model": "simulated"}]} for name in ("simulated", "second-model")
]
QUESTIONS = 12


@pytest.fixture(scope="module")
def sharded() -> Iterator[Mesh]:
    with mesh_running(mesh={"cache": {"replicas": 2}}, models=MODELS) as running:
        yield running


@pytest.fixture
def empty(sharded: Mesh) -> Mesh:
    """The mesh, with nothing in its cache."""
    sharded.command("cache", "purge", "--all")
    return sharded


def questions(model: str = "simulated") -> list[dict[str, Any]]:
    """Some that were never asked before."""
    return [
        {"model": model, "messages": [{"role": "user", "content": uuid.uuid4().hex}], "temperature": 0}
        for _ in range(QUESTIONS)
    ]


async def ask(
    mesh: Mesh, bodies: list[dict[str, Any]], key: str = ACME, **headers: str
) -> list[tuple[int, dict[str, str]]]:
    """The answers' status and headers."""
    headers = {"authorization": f"Bearer {key}", **headers}
    answers = []
    async with aiohttp.ClientSession(mesh.url, headers=headers) as session:
        for body in bodies:
            async with session.post("/v1/chat/completions", json=body) as answer:
                await answer.read()
                answers.append((answer.status, {name.lower(): value for name, value in answer.headers.items()}))
    return answers


async def count_kept(mesh: Mesh, bodies: list[dict[str, Any]], key: str = ACME) -> int:
    """How many can be answered out of the cache. No provider is asked, so nothing is kept anew."""
    answers = await ask(mesh, bodies, key, **{"cache-control": "only-if-cached"})
    assert {status for status, _ in answers} <= {200, 504}
    return sum(status == 200 for status, _ in answers)


def statistics(mesh: Mesh) -> dict[str, Any]:
    """Of the admin port: a command takes half a second to start, and this is asked again and again."""
    key = (mesh.data_dir / "admin.key").read_text().strip()
    request = urllib.request.Request(f"{mesh.admin_url}/admin/v1/cache", headers={"authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, f"not within 10 s: {what}"
        time.sleep(0.05)


async def keep(mesh: Mesh, bodies: list[dict[str, Any]], key: str = ACME, **headers: str) -> list[dict[str, str]]:
    """Asks, and waits until the answers are kept: nobody's call waits for that."""
    before = statistics(mesh)["entries"]
    answers = await ask(mesh, bodies, key, **headers)
    assert {(status, headers["x-cache"]) for status, headers in answers} == {(200, "MISS")}
    wait_until(lambda: statistics(mesh)["entries"] == before + len(bodies), "kept")
    return [headers for _, headers in answers]


async def are_forgotten(mesh: Mesh, bodies: list[dict[str, Any]], key: str = ACME) -> bool:
    """Whether none is given any more within moments: an edge hears of a purge, it is not waited for."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if await count_kept(mesh, bodies, key) == 0:
            return True
    return False


def purge(mesh: Mesh, *options: str) -> int:
    (said,) = mesh.command("cache", "purge", *options)
    assert said["purged"] == sum(said["replicas"].values())
    assert said["failures"] == {}
    return said["purged"]


async def test_a_tenant_is_purged_and_no_other(empty: Mesh) -> None:
    mine, others = questions(), questions()
    await keep(empty, mine)
    await keep(empty, others, OTHER)
    assert purge(empty, "--tenant", "acme") == QUESTIONS
    assert await are_forgotten(empty, mine)
    assert await count_kept(empty, others, OTHER) == QUESTIONS


async def test_a_model_is_purged_and_no_other(empty: Mesh) -> None:
    one, other = questions(), questions("second-model")
    await keep(empty, one)
    await keep(empty, other)
    assert purge(empty, "--model", "second-model") == QUESTIONS
    assert await are_forgotten(empty, other)
    assert await count_kept(empty, one) == QUESTIONS


async def test_a_tag_is_purged_and_no_other(empty: Mesh) -> None:
    tagged, plain = questions(), questions()
    await keep(empty, tagged, **{"x-runestone-tags": "nightly,batch"})
    await keep(empty, plain, **{"x-runestone-tags": "batch"})
    assert purge(empty, "--tag", "nightly") == QUESTIONS
    assert await are_forgotten(empty, tagged)
    assert await count_kept(empty, plain) == QUESTIONS


async def test_conditions_narrow_each_other(empty: Mesh) -> None:
    mine, others = questions(), questions()
    await keep(empty, mine)
    await keep(empty, others, OTHER)
    assert purge(empty, "--tenant", "acme", "--model", "second-model") == 0
    assert purge(empty, "--all", "--tenant", "other", "--model", "simulated") == QUESTIONS
    assert await count_kept(empty, mine) == QUESTIONS


async def test_one_answer_is_purged_by_the_key_that_it_came_with(empty: Mesh) -> None:
    bodies = questions()
    keys = [headers["x-cache-key"] for headers in await keep(empty, bodies)]
    assert len(set(keys)) == QUESTIONS
    assert purge(empty, "--key", keys[0]) == 1
    assert await are_forgotten(empty, bodies[:1])
    assert await count_kept(empty, bodies[1:]) == QUESTIONS - 1
    assert purge(empty, "--prefix", keys[1][:32]) == 1


async def test_everything_is_purged(empty: Mesh) -> None:
    bodies = questions()
    await keep(empty, bodies)
    assert purge(empty, "--all") == QUESTIONS
    assert statistics(empty)["entries"] == 0
    assert await are_forgotten(empty, bodies)


async def test_what_is_not_encrypted_is_purged_by_shredding(empty: Mesh) -> None:
    bodies = questions()
    await keep(empty, bodies)
    (said,) = empty.command("cache", "shred", "acme")
    assert (said["purged"], said["key_destroyed"]) == (QUESTIONS, False)
    assert await are_forgotten(empty, bodies)


async def test_statistics_are_sums_over_the_replicas(empty: Mesh) -> None:
    before, bodies = statistics(empty), questions()
    await keep(empty, bodies)
    await ask(empty, bodies)

    def counted(*names: str) -> int:
        now = statistics(empty)
        return int(sum(now[name] - before[name] for name in names))

    wait_until(lambda: counted("hits", "near_hits") == QUESTIONS, "hits counted")
    wait_until(
        lambda: counted("misses", "near_misses") == QUESTIONS, "misses counted, also those that nobody was asked about"
    )
    (now,) = empty.command("cache", "stats")
    replicas = now["replicas"].values()
    assert set(now["replicas"]) == {"cache-0", "cache-1"}
    for name in ("entries", "bytes", "max_entries", "hits", "near_hits", "misses", "stores", "purged", "watchers"):
        assert now[name] == sum(one[name] for one in replicas), name
    assert now["stores"] - before["stores"] == QUESTIONS


async def test_the_admin_port_does_what_the_commands_do(empty: Mesh) -> None:
    bodies = questions()
    await keep(empty, bodies)
    key = (empty.data_dir / "admin.key").read_text().strip()
    async with aiohttp.ClientSession(empty.admin_url, headers={"authorization": f"Bearer {key}"}) as session:
        async with session.get("/admin/v1/cache") as answer:
            assert (answer.status, (await answer.json())["entries"]) == (200, QUESTIONS)
        for order, purged in ({"tenant": "other"}, 0), ({"tenant": "acme", "everything": True}, QUESTIONS):
            async with session.post("/admin/v1/cache/purge", data=json.dumps(order)) as answer:
                assert (answer.status, await answer.json()) == (200, {"purged": purged})
    assert await are_forgotten(empty, bodies)
