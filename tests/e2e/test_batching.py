"""OpenAI's own client, asking for many embeddings at once, on a mesh that asks for them together."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import openai
import pytest
from fake_provider import FakeProvider
from fake_provider.openai.embeddings import DIMENSIONS, embed
from real_mesh import ACME, Mesh, mesh_running

from chassis.testing import free_port

AT_ONCE = 64
FEW = 8  # of the upstream calls that they may take: how close together they come is the machine's business
TEXTS = [f"text number {number}" for number in range(AT_ONCE)]


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def mesh(port: int) -> Iterator[Mesh]:
    at = {"kind": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "api_key": "upstream-secret", "price": "free"}
    providers = [{"name": "many", **at, "batching": {"window": "200ms"}}, {"name": "single", **at}]
    with mesh_running(providers=providers, models=[]) as running:
        yield running


@pytest.fixture
async def fake(port: int) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(port) as provider:
        yield provider


@pytest.fixture
async def client(mesh: Mesh) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("encoding", ["base64", "float"])
async def test_many_embeddings_are_few_upstream_calls_and_the_same_vectors(
    client: openai.AsyncOpenAI, fake: FakeProvider, encoding: str
) -> None:
    """`base64` is what the client asks for unless it is told otherwise."""
    asked = [client.embeddings.create(model="many/m", input=text, encoding_format=encoding) for text in TEXTS]
    answers = await asyncio.gather(*asked)
    assert fake.requests <= FEW
    vectors = {text: answer.data[0].embedding for text, answer in zip(TEXTS, answers, strict=True)}
    if encoding == "float":
        assert vectors == {text: embed(text, DIMENSIONS) for text in TEXTS}
    alone = await client.embeddings.create(model="single/m", input=TEXTS[0], encoding_format=encoding)
    assert answers[0].data == alone.data
    assert (answers[0].model, answers[0].object) == (alone.model, alone.object)
    assert sum(answer.usage.prompt_tokens for answer in answers) == AT_ONCE * 3


async def test_a_text_that_is_refused_fails_alone(client: openai.AsyncOpenAI, fake: FakeProvider) -> None:
    texts = [f"another {number}" for number in range(8)]
    asked = [client.embeddings.create(model="many/m", input=[text]) for text in [*texts, ""]]
    *answers, refusal = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, openai.types.CreateEmbeddingResponse) for answer in answers)
    assert isinstance(refusal, openai.BadRequestError)
    assert "'input' cannot contain an empty string." in refusal.message
