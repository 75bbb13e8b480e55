"""What operators see while a target fails, and when it is well again: the commands of a running mesh, and its admin port."""

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from fake_provider import FakeProvider
from real_mesh import ACME, Mesh, mesh_running

from chassis.testing import free_port

PAUSE = 10.0  # seconds: three commands have to look in between
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@pytest.fixture(scope="module")
def port() -> int:
    """Where the target is that falls ill."""
    return free_port()


@pytest.fixture(scope="module")
def mesh(port: int) -> Iterator[Mesh]:
    frail = {
        "name": "frail",
        "kind": "openai",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "api_key": "upstream-secret",
        "price": "free",
        "breaker": {"failures": 1, "pause": f"{PAUSE}s"},
        "retries": {"attempts": 0},
    }
    models: list[dict[str, Any]] = [
        {
            "name": "main",
            "targets": [
                {"provider": "frail", "model": "words=3", "lacks": ["vision"]},
                {"provider": "sim", "model": "simulated", "priority": 1},
            ],
            "rules": [{"when": '"nightly" in tags', "use": "batch"}],
        },
        {"name": "batch", "targets": [{"provider": "sim", "model": "simulated"}], "fallbacks": ["main"]},
    ]
    with mesh_running(providers=[{"name": "sim", "kind": "simulated"}, frail], models=models) as running:
        yield running


@pytest.fixture
async def fake(port: int) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(port) as provider:
        yield provider


async def ask(mesh: Mesh) -> str:
    """The provider that answered."""
    async with openai.AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0) as client:
        raw = await client.chat.completions.with_raw_response.create(
            model="main", messages=[{"role": "user", "content": "Hello"}]
        )
    return raw.headers["x-runestone-provider"]


def frail(mesh: Mesh) -> dict[str, Any]:
    """The target that falls ill."""
    return next(line for line in mesh.command("targets") if line["provider"] == "frail")


def explain(mesh: Mesh, *options: str) -> dict[str, Any]:
    (told,) = mesh.command("routes", "explain", "main", *options)
    return told


def order(told: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(target["provider"], target["eligible"]) for target in told["targets"]]


def ask_admin(mesh: Mesh, path: str) -> bytes:
    key = (mesh.data_dir / "admin.key").read_text().strip()
    request = urllib.request.Request(f"{mesh.admin_url}{path}", headers={"authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


async def test_a_target_that_fails_is_seen_to_be_left_alone_and_to_come_back(mesh: Mesh, fake: FakeProvider) -> None:
    assert (frail(mesh)["state"], frail(mesh)["last_failure"]) == ("CLOSED", None)
    assert [provider for provider, _ in order(explain(mesh))] == ["frail", "sim"]

    fake.script("status=500")
    assert await ask(mesh) == "sim"
    assert b'runestone_target_open{model="words=3",provider="frail",service="provider"} 1.0' in ask_admin(
        mesh, "/metrics"
    )
    ill = frail(mesh)
    assert (ill["state"], ill["last_failure"], ill["recent_failures"]) == ("OPEN", "PROVIDER_FAILED", 1)
    assert 0 < ill["retry_after"] <= PAUSE
    told = explain(mesh)
    assert order(told) == [("sim", True), ("frail", True)]
    assert told["targets"][0]["why"] == "priority 1: the only one that is well"
    assert "left alone after failures" in told["targets"][1]["why"]
    assert {line["name"]: line["verdict"] for line in mesh.command("doctor")}["target frail/words=3"] == "warn"

    deadline = time.monotonic() + 3 * PAUSE
    while await ask(mesh) != "frail":
        assert time.monotonic() < deadline, "it is never tried again"
        await asyncio.sleep(0.1)
    assert frail(mesh)["state"] == "CLOSED"


async def test_a_way_is_told_step_by_step(mesh: Mesh) -> None:
    (told,) = mesh.command("routes", "explain", "main", "--tenant", "acme", "--tag", "nightly")
    (lead,) = told["leads"]
    assert (lead["of"], lead["rule"], lead["when"], lead["use"]) == ("main", 0, '"nightly" in tags', "batch")
    assert (told["route"], told["replica"]) == ("batch", "provider")
    assert [(target["route"], target["provider"]) for target in told["targets"]] == [
        ("batch", "sim"),
        ("main", "frail"),
        ("main", "sim"),
    ]


async def test_a_target_that_cannot_take_a_body_says_why(mesh: Mesh) -> None:
    body = mesh.data_dir / "body.json"
    body.write_text(json.dumps({"messages": [{"role": "user", "content": [PICTURE]}]}))
    told = explain(mesh, "--body", str(body))
    assert order(told) == [("sim", True), ("frail", False)]
    assert told["targets"][1]["why"] == "does not take images"


async def test_the_admin_port_and_the_commands_say_the_same(mesh: Mesh, fake: FakeProvider) -> None:
    await ask(mesh)
    said = json.loads(ask_admin(mesh, "/admin/v1/targets"))
    assert [line["provider"] for line in said["targets"]] == [line["provider"] for line in mesh.command("targets")]
    assert said["connections"] == mesh.command("targets", "--connections")
    assert {line["provider"] for line in said["connections"]} == {"frail"}
    assert said["failures"] == {}
