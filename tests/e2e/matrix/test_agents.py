"""Coding agents on every maker: long loops of tools, streamed, with thinking, marks for the prompt cache and bodies of 200 KB."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from coding_agents import AGENTS, ROUNDS, TOOLS, AdaptiveClaudeCode, Agent, ChatAgent, ClaudeCode, Codex, list_ids
from fake_provider import FakeProvider
from makers import MAKERS, mesh_of_makers
from real_mesh import ACME, Mesh

from runestone.audit.v1.audit_pb2 import AuditRecord

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEAST, MOST = 190_000, 300_000  # bytes of a body
WISH = "say=all tests pass"
CALLING = "calls=2,rounds=99"  # however many rounds there were before
# A compatible maker tells its thoughts where most of them do.
WISHES = dict.fromkeys(MAKERS, WISH) | {"compatible": f"{WISH},reasoning_field=reasoning_content"}
# Whose thoughts are not told: OpenAI's Chat Completions count them only.
SILENT = {(ChatAgent.agent, "OpenAI")}
MARKING = {ClaudeCode.agent, AdaptiveClaudeCode.agent, ChatAgent.agent}


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with mesh_of_makers() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def maker(mesh: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(mesh.fake_port) as provider:
        yield provider


@pytest_asyncio.fixture(loop_scope="module")
async def agent(request: pytest.FixtureRequest, mesh: Mesh) -> AsyncIterator[Agent]:
    made = AGENTS[request.param](mesh.url, ACME)
    yield made
    await made.close()


class Answered:
    """Keeps requests and answers' headers as they went over the wire."""

    def __init__(self, agent: Agent) -> None:
        self.requests: list[Any] = []
        self.headers: list[Any] = []
        agent.watch(self._note)

    async def _note(self, response: Any) -> None:
        self.requests.append(response.request)
        self.headers.append(response.headers)

    async def records(self, mesh: Mesh) -> list[AuditRecord]:
        return [await asyncio.to_thread(mesh.audit, headers["x-request-id"]) for headers in self.headers]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("agent", AGENTS, indirect=True)
async def test_an_agents_loop_goes_on_with_what_was_thought_and_found(
    mesh: Mesh, maker: FakeProvider, agent: Agent, name: str
) -> None:
    """The makers refuse calls without results, results without calls, and thoughts that lost their seal."""
    answered = Answered(agent)
    maker.script(*[CALLING] * ROUNDS)
    members = agent.begin(f"{name}/{WISHES[name]}")
    for _ in range(ROUNDS):
        got = await agent.ask(members, stream=True)
        ids = list_ids(got.turn)
        assert (got.stop, len(ids)) == ("tool_calls", 2)
        assert bool(got.thinking) is ((agent.agent, name) not in SILENT)
        members = agent.go_on(members, got)
    got = await agent.ask(members, stream=True)
    assert got.text.endswith("all tests pass") and got.stop == "stop"
    for number, call_id in enumerate(ids):
        assert f" of {call_id}: result {number}]" in got.text
    assert maker.requests == ROUNDS + 1
    assert [exchange.status for exchange in maker.exchanges] == [200] * (ROUNDS + 1)
    assert all(len(exchange.document["tools"]) >= TOOLS for exchange in maker.exchanges)
    assert all(LEAST < len(request.content) < MOST for request in answered.requests)
    check_records(await answered.records(mesh), agent, name)


def check_records(records: list[AuditRecord], agent: Agent, name: str) -> None:
    """Each round is metered; what an agent marks Anthropic has in its prompt cache from the second on, whatever the dialect."""
    assert [record.status for record in records] == [200] * len(records)
    assert all(record.usage.output_tokens > 0 and not record.usage.is_estimated for record in records)
    if name == "Anthropic" and agent.agent in MARKING:
        read = [record.usage.cache_read_input_tokens for record in records[1:]]
        assert min(read) > 30_000, read
    if name != "Anthropic" and isinstance(agent, ClaudeCode):
        assert all(any("cache_control" in path for path in record.dropped) for record in records)


@pytest.mark.parametrize("agent", [ClaudeCode.agent, AdaptiveClaudeCode.agent], indirect=True)
async def test_what_claude_code_says_to_anthropic_arrives_byte_for_byte(maker: FakeProvider, agent: ClaudeCode) -> None:
    """But for the model's name; its beta headers too. Whole answers as well."""
    answered = Answered(agent)
    maker.script(CALLING)
    members = agent.begin(f"Anthropic/{WISH}") | {
        "timeout": 60
    }  # without which the SDK sends nothing so large but streams
    members = agent.go_on(members, await agent.ask(members, stream=True))
    await agent.ask(members, stream=False)
    assert len(maker.exchanges) == 2
    for sent, exchange in zip(answered.requests, maker.exchanges, strict=True):
        assert exchange.body == sent.content.replace(b'"Anthropic/say', b'"say', 1)
        assert exchange.headers["anthropic-beta"] == agent.headers["anthropic-beta"]
        assert exchange.headers["anthropic-version"] == sent.headers["anthropic-version"]
        assert exchange.headers["x-api-key"] == "upstream-secret"
    assert all("x-runestone-dropped" not in headers for headers in answered.headers)


@pytest.mark.parametrize("agent", [Codex.agent], indirect=True)
async def test_what_codex_says_to_openai_arrives_byte_for_byte(maker: FakeProvider, agent: Codex) -> None:
    answered = Answered(agent)
    maker.script(CALLING)
    members = agent.begin(f"OpenAI/{WISH}")
    members = agent.go_on(members, await agent.ask(members, stream=True))
    await agent.ask(members, stream=True)
    for sent, exchange in zip(answered.requests, maker.exchanges, strict=True):
        assert exchange.body == sent.content.replace(b'"OpenAI/say', b'"say', 1)
    thoughts = [item for item in maker.exchanges[1].document["input"] if item.get("type") == "reasoning"]
    assert [set(item) for item in thoughts] == [{"type", "summary", "encrypted_content"}]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("agent", [Codex.agent], indirect=True)
async def test_a_custom_tool_takes_free_text_from_every_maker(maker: FakeProvider, agent: Codex, name: str) -> None:
    """What it was called with goes back with what it gave. Its grammar is told of where nothing holds the model to it."""
    answered = Answered(agent)
    members = agent.begin(f"{name}/call=apply_patch,rounds=1,say=all tests pass")
    got = await agent.ask(members, stream=True)
    (call,) = [item for item in got.turn if item["type"] == "custom_tool_call"]
    assert (call["name"], bool(call["input"])) == ("apply_patch", True)
    got = await agent.ask(agent.go_on(members, got), stream=True)
    assert f"[result of {call['call_id']}: result 0]" in got.text
    assert call["input"] in json.dumps(maker.exchanges[1].document, ensure_ascii=False)
    told = [headers.get("x-runestone-dropped", "").split(", ") for headers in answered.headers]
    assert all(("tools[0].format" in paths) is (name != "OpenAI") for paths in told)


@pytest.mark.parametrize("agent", [ClaudeCode.agent], indirect=True)
async def test_claude_codes_prompt_is_counted(mesh: Mesh, maker: FakeProvider, agent: ClaudeCode) -> None:
    members = agent.begin("Anthropic/m")
    kept = {name: members[name] for name in ("model", "system", "tools", "messages", "thinking", "extra_headers")}
    count = await agent._sdk.messages.count_tokens(**kept)
    assert count.input_tokens > 40_000
    (exchange,) = maker.exchanges
    assert exchange.headers["anthropic-beta"] == agent.headers["anthropic-beta"]
