"""The same question twice, as a client sees it."""

import asyncio
import uuid
from typing import Any

import aiohttp
import pytest
from real_mesh import ACME, OTHER, Mesh

PATIENCE = 10.0


def question(**members: Any) -> dict[str, Any]:
    """One that was never asked before."""
    return {
        "model": "simulated",
        "messages": [{"role": "user", "content": uuid.uuid4().hex}],
        "temperature": 0,
        **members,
    }


async def ask(mesh: Mesh, body: dict[str, Any], key: str = ACME, **headers: str) -> tuple[dict[str, str], bytes]:
    async with aiohttp.ClientSession(mesh.url, headers={"authorization": f"Bearer {key}", **headers}) as session:
        async with session.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            return {name.lower(): value for name, value in answer.headers.items()}, await answer.read()


async def ask_again(mesh: Mesh, body: dict[str, Any], **how: Any) -> tuple[dict[str, str], bytes]:
    """As soon as the answer is kept: until then one shares the call that is answered."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await ask(mesh, body, **how))[0]["x-cache"] == "COALESCED":
            await asyncio.sleep(0.01)
    return answer


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
async def test_the_second_answer_is_the_first_byte_for_byte(mesh: Mesh, stream: bool) -> None:
    body = question(stream=stream)
    first_headers, first = await ask(mesh, body)
    headers, second = await ask_again(mesh, body)
    assert headers["x-cache"] == "HIT"
    assert first_headers["x-cache"] == "MISS"
    assert second == first
    assert headers["content-type"].split(";")[0] == first_headers["content-type"].split(";")[0]
    assert int(headers["age"]) >= 0


async def test_another_tenant_does_not_see_it(mesh: Mesh) -> None:
    body = question()
    await ask(mesh, body)
    assert (await ask_again(mesh, body))[0]["x-cache"] == "HIT"
    assert (await ask(mesh, body, OTHER))[0]["x-cache"] == "MISS"


async def test_what_is_not_deterministic_is_not_kept(mesh: Mesh) -> None:
    body = question(temperature=0.7)
    for _ in range(2):
        assert (await ask(mesh, body))[0]["x-cache"] == "BYPASS"


async def test_no_store_is_obeyed(mesh: Mesh) -> None:
    body = question()
    for _ in range(2):
        headers, _ = await ask(mesh, body, **{"cache-control": "no-store"})
        assert headers["x-cache"] == "BYPASS"
    assert (await ask(mesh, body))[0]["x-cache"] == "MISS"


async def test_a_hit_is_on_record_as_one(mesh: Mesh) -> None:
    body = question()
    await ask(mesh, body)
    headers, _ = await ask_again(mesh, body)
    record = mesh.audit(headers["x-request-id"])
    assert (record.cache, record.provider, record.status) == ("HIT", "sim", 200)
    assert record.attempts == 0


def test_the_state_of_the_cache_can_be_seen(mesh: Mesh) -> None:
    (statistics,) = mesh.command("cache", "stats")
    assert statistics["store"] == "memory"
    assert statistics["max_entries"] == 10_000
