"""What calls cost, as clients, operators and records are told, through the whole mesh."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from fake_provider import FakeProvider
from real_mesh import ACME, Mesh

AUTH = {"authorization": f"Bearer {ACME}"}
READ = 7_000 + 4 * 100  # billionths of a dollar: the fake and the other fake read 11 tokens, 4 of them cached


@pytest.fixture
async def fake(mesh: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(mesh.fake_port) as provider:
        yield provider


async def ask(mesh: Mesh, model: str, **members: Any) -> aiohttp.ClientResponse:
    """One call to its end."""
    body = {"model": model, "messages": [{"role": "user", "content": f"Hello {uuid4()}"}], **members}
    async with (
        aiohttp.ClientSession(mesh.url, headers=AUTH) as session,
        session.post("/v1/chat/completions", json=body) as answer,
    ):
        await answer.read()
        return answer


async def leave(mesh: Mesh, model: str) -> str:
    """Hangs up in the middle of a stream; returns the call's id."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    async with (
        aiohttp.ClientSession(mesh.url, headers=AUTH) as session,
        session.post("/v1/chat/completions", json=body) as answer,
    ):
        text = b""
        while text.count(b"data: ") < 10:
            text += await answer.content.readany()
        return answer.headers["x-request-id"]


@pytest.mark.parametrize("provider", ["fake", "claude"])
async def test_a_document_says_what_it_cost_and_so_does_its_record(
    mesh: Mesh, fake: FakeProvider, provider: str
) -> None:
    answer = await ask(mesh, f"{provider}/words=20")
    assert answer.headers["x-runestone-cost"] == answer.headers["x-litellm-response-cost"] == "0.0000474"
    record = mesh.audit(answer.headers["x-request-id"])
    assert (record.cost.nano_usd, record.cost.is_estimated) == (READ + 40_000, False)
    (line,) = mesh.command("audit", "search", "--request-id", record.request_id)
    assert (line["cost_usd"], line["cost_is_estimated"]) == (0.0000474, False)


@pytest.mark.parametrize("provider", ["fake", "claude"])
async def test_a_stream_is_recorded_with_what_it_cost(mesh: Mesh, fake: FakeProvider, provider: str) -> None:
    answer = await ask(mesh, f"{provider}/words=20", stream=True)
    assert "x-runestone-cost" not in answer.headers
    record = mesh.audit(answer.headers["x-request-id"])
    assert (record.cost.nano_usd, record.cost.is_estimated) == (READ + 40_000, False)


async def test_a_client_that_leaves_is_billed_for_what_passed(mesh: Mesh, fake: FakeProvider) -> None:
    """The provider would have counted at the end. A word of the fake is a token or two, and so is what stands for it here."""
    record = mesh.audit(await leave(mesh, "fake/words=2000,pace=10ms"))
    usage = record.usage
    assert (record.status, usage.is_estimated, record.cost.is_estimated) == (499, True, True)
    assert 10 <= usage.input_tokens <= 40
    assert 5 <= usage.output_tokens <= 400
    assert record.cost.nano_usd == 1_000 * usage.input_tokens + 2_000 * usage.output_tokens
    (line,) = mesh.command("audit", "search", "--request-id", record.request_id)
    assert line["cost_is_estimated"] is True


async def test_what_anthropic_counted_before_a_client_left_is_what_it_read(mesh: Mesh, fake: FakeProvider) -> None:
    record = mesh.audit(await leave(mesh, "claude/words=2000,pace=10ms"))
    usage = record.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.is_estimated) == (11, 4, True)
    assert 5 <= usage.output_tokens <= 400
    assert record.cost.nano_usd == READ + 2_000 * usage.output_tokens


async def test_a_call_that_its_provider_refused_costs_nothing(mesh: Mesh, fake: FakeProvider) -> None:
    answer = await ask(mesh, "fake/status=400")
    assert "x-runestone-cost" not in answer.headers
    record = mesh.audit(answer.headers["x-request-id"])
    assert not record.HasField("usage")
    assert not record.HasField("cost")


async def test_what_is_simulated_costs_nothing_and_says_so(mesh: Mesh) -> None:
    answer = await ask(mesh, "simulated")
    assert answer.headers["x-runestone-cost"] == "0"
    assert mesh.audit(answer.headers["x-request-id"]).HasField("cost")


async def test_a_hit_costs_nothing_and_saves_what_the_first_answer_cost(mesh: Mesh, fake: FakeProvider) -> None:
    """The third comes out of the edge's own copies, byte for byte as the second."""
    (before,) = mesh.command("cache", "stats")
    question = {"messages": [{"role": "user", "content": f"Keep {uuid4()}"}], "temperature": 0}
    answers = [await ask(mesh, "fake/words=20", **question) for _ in range(3)]
    assert [answer.headers["x-cache"] for answer in answers] == ["MISS", "HIT", "HIT"]
    assert [answer.headers["x-runestone-cost"] for answer in answers] == ["0.0000474", "0", "0"]
    records = [mesh.audit(answer.headers["x-request-id"]) for answer in answers]
    assert [(record.cost.nano_usd, record.unbilled) for record in records] == [
        (READ + 40_000, False),
        (READ + 40_000, True),
        (READ + 40_000, True),
    ]
    saved = await saved_since(mesh, before["saved_usd"], least=2 * 0.0000474)
    assert saved == pytest.approx(2 * 0.0000474)


async def saved_since(mesh: Mesh, before: float, *, least: float, patience: int = 50) -> float:
    """What was saved, as soon as the edge, which tells every second, has told of so much."""
    for _ in range(patience):
        (now,) = mesh.command("cache", "stats")
        if now["saved_usd"] - before >= least * 0.999:
            break
    return float(now["saved_usd"] - before)
