"""A running mesh keeps to the OpenAPI document that it publishes: schemathesis asks whatever the document allows, and much that it
forbids, and holds every answer against it."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from fake_provider import FakeProvider
from makers import mesh_of_makers
from real_mesh import ACME, Mesh, mesh_running

from chassis.config.presets import USUAL

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
EXAMPLES = 30  # made up for each route, beside those that go through the schema one by one
PATIENCE = 55.0

# A random deadline or pipeline would hide everything behind a 504 or a 403, a random model behind a 404.
FIXED = {
    "header.x-runestone-timeout-ms": "60000",
    "header.x-runestone-pipeline": "default",
    "body.model": "simulated",
}
# What a request that the document allows may come to: a model of that name may be missing, an idempotency key be used up.
TAKEN = ["2xx", "404", "422"]
# What the tolerant models speak, each of its own maker, and the routes that ask none. Forms are left out: schemathesis writes a file's
# content where the document has a text of that media type, so that what it means to be right is a text in place of a file (tests of
# `test_form.py`).
CHAT = "^/(chat/completions|models.*|openapi.json)$"
OTHERS = "^/(completions|responses|embeddings|moderations|rerank|images/generations|audio/speech)$"
MESSAGES = "^/messages.*$"
STORED = "^/responses/.*$"
STREAMS = "^/streams/.*$"

# The gateway answers 404, not 405, to a method that a path does not have.
NOT_CHECKED = ("unsupported_method",)


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with mesh_running() as running:
        yield running


@pytest.fixture(
    params=[("OpenAI", CHAT), ("OpenAI", OTHERS), ("Anthropic", MESSAGES)], ids=["chat", "other endpoints", "messages"]
)
def tolerant(request: pytest.FixtureRequest) -> Iterator[tuple[Mesh, str]]:
    """One whose model takes whatever it is asked, so that a refusal can only be the gateway's; and the paths that it is asked at."""
    maker, paths = request.param
    models = [{"name": "simulated", "targets": [{"provider": maker, "model": "words=3,lax"}]}]
    dialects = {"OpenAI": [*USUAL["openai"], "rerank"]}
    with mesh_of_makers(models=models, dialects=dialects) as running:
        yield running, paths


async def examine(mesh: Mesh, folder: Path, *not_checked: str, paths: str = CHAT, previous: str = "") -> None:
    """Fails with what schemathesis finds, in its words. It asks the same things every time; `previous` is a response to go on with."""
    config = folder / "schemathesis.toml"
    parameters = "".join(f'"{name}" = {json.dumps(value)}\n' for name, value in FIXED.items())
    taken = f"[checks.positive_data_acceptance]\nexpected-statuses = {json.dumps(TAKEN)}\n"
    known = f'[[operations]]\ninclude-path = "/responses"\n[operations.parameters]\n"body.previous_response_id" = "{previous}"\n'
    config.write_text(f"[parameters]\n{parameters}{taken}{known if previous else ''}")
    given = {
        "--phases": "examples,coverage,fuzzing",
        "--checks": "all",
        "--exclude-checks": ",".join((*NOT_CHECKED, *not_checked)),
        "--max-examples": str(EXAMPLES),
        "--generation-with-security-parameters": "false",  # beside the key, they would be credentials of two kinds
        "--header": f"Authorization: Bearer {ACME}",
        "--include-path-regex": paths,
    }
    options = [part for option in given.items() for part in option] + [
        "--continue-on-failure",
        "--generation-deterministic",
    ]
    process = await asyncio.create_subprocess_exec(
        *(str(SCHEMATHESIS), "--config-file", str(config), "run", f"{mesh.url}/openapi.json", *options),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()


async def store_response(mesh: Mesh) -> str:
    """The id of one that is there: made-up ones are refused as OpenAI refuses them, which no schema can say."""
    question = {"model": "simulated", "input": "hi", "store": True}
    async with (
        aiohttp.ClientSession(mesh.url, headers={"authorization": f"Bearer {ACME}"}) as session,
        session.post("/v1/responses", json=question) as answer,
    ):
        response_id: str = (await answer.json())["id"]
        return response_id


async def test_every_answer_is_one_that_the_document_describes(tolerant: tuple[Mesh, str], tmp_path: Path) -> None:
    """No 5xx, no undocumented status, header or body; what the schema allows is taken, what it forbids is refused."""
    mesh, paths = tolerant
    async with FakeProvider(mesh.fake_port) as provider:
        previous = await store_response(mesh) if paths == OTHERS else ""
        await examine(mesh, tmp_path, paths=paths, previous=previous)
        assert provider.requests > EXAMPLES


async def test_the_simulated_provider_answers_as_the_document_says(mesh: Mesh, tmp_path: Path) -> None:
    """It may refuse what the schema allows: it gives one choice only, and calls only functions that it was given."""
    await examine(mesh, tmp_path, "positive_data_acceptance")


async def test_what_nobody_stored_is_not_there_as_the_document_says(mesh: Mesh, tmp_path: Path) -> None:
    """What a request for a stored response may hold beside its id, its maker judges."""
    await examine(mesh, tmp_path, "positive_data_acceptance", paths=STORED)


async def test_what_nobody_streams_is_not_there_as_the_document_says(mesh: Mesh, tmp_path: Path) -> None:
    await examine(mesh, tmp_path, "positive_data_acceptance", paths=STREAMS)


async def test_the_document_needs_no_key_and_is_the_same_everywhere(mesh: Mesh) -> None:
    texts = set()
    async with aiohttp.ClientSession() as session:
        for url in (f"{mesh.url}/openapi.json", f"{mesh.url}/v1/openapi.json", f"{mesh.admin_url}/openapi.json"):
            async with session.get(url) as answer:
                assert (answer.status, answer.content_type) == (200, "application/json")
                texts.add(await answer.text())
        async with session.get(f"{mesh.admin_url}/docs") as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
    assert len(texts) == 1


# What HTTP itself needs (RFC 9110, sections 6.6.1 and 8); OpenAPI describes the content type apart.
HTTPS_OWN = {"content-type", "content-length", "transfer-encoding", "connection", "date"}


@pytest.mark.parametrize("extra", [{}, {"temperature": 0}, {"stream": True}, {"n": "many"}, {"model": "nobody/m"}])
async def test_every_header_of_an_answer_is_described(mesh: Mesh, extra: dict[str, object]) -> None:
    question = {"model": "simulated", "messages": [{"role": "user", "content": "hi"}], **extra}
    async with aiohttp.ClientSession(mesh.url, headers={"authorization": f"Bearer {ACME}"}) as session:
        async with session.get("/openapi.json") as answer:
            document = await answer.json()
        async with session.post("/v1/chat/completions", json=question) as answer:
            response = document["paths"]["/chat/completions"]["post"]["responses"][str(answer.status)]
            sent = {name.lower() for name in answer.headers} - HTTPS_OWN
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    assert sent - set(response["headers"]) == set()


async def test_a_strict_pipeline_refuses_unknown_members_and_another_passes_them_on() -> None:
    pipelines = {"strict": ["authenticate", {"validate": {"strict": True}}]}
    keys = [{"name": "strict", "secret": ACME, "pipeline": "strict"}, {"name": "open", "secret": f"{ACME}-open"}]
    question = {"model": "simulated", "messages": [{"role": "user", "content": "hi", "mood": "good"}]}
    seen = []
    with mesh_running("--one-process", pipelines=pipelines, tenants=[{"name": "acme", "keys": keys}]) as mesh:
        async with aiohttp.ClientSession(mesh.url) as session:
            for key in (ACME, f"{ACME}-open"):
                headers = {"authorization": f"Bearer {key}"}
                async with session.post("/v1/chat/completions", json=question, headers=headers) as answer:
                    seen.append((answer.status, (await answer.json()).get("error", {}).get("param")))
    assert seen == [(400, "messages[0].mood"), (200, None)]
