"""A transform in a pipeline, as the official SDK and the provider see it."""

import json
from collections.abc import AsyncIterator, Iterator

import openai
import pytest
from fake_provider import FakeProvider
from real_mesh import ACME, Mesh, mesh_running

HELLO = [{"role": "user", "content": "Hello, my key is sk-abcdef123456."}]
TRANSFORM = {
    "request": [
        {"model": {"from": "gpt-*", "to": "fake/words=24"}},
        {"set": {"path": "temperature", "value": 0.2}},
        {"default": {"path": "max_tokens", "value": 64}},
        {"rename": {"from": "end_user", "to": "user"}},
        {"template": {"path": "metadata.by", "text": "{tenant}/{key} {header.x-team}"}},
        {"system_prompt": {"prefix": "Be kind."}},
        {"redact": {"pattern": r"\bsk-[a-z0-9]{6,64}\b", "with": "[key]"}},
    ],
    "response": [
        {"set": {"path": "model", "value": "kind"}},
        {"remove": {"path": "created"}},
        {"redact": {"pattern": r"leaf\s{1,3}naïve", "with": "[hidden]"}},
        {"header": {"set": {"x-served-for": "{tenant}"}, "remove": ["x-runestone-provider", "x-runestone-model"]}},
    ],
    "headers": ["x-team"],
}
WORDS = "rain ström 水 [hidden] 🌲 stone Ωmega"
ANSWER = " ".join([WORDS] * 3)


@pytest.fixture(scope="module", params=["before", "behind"])
def changing(request: pytest.FixtureRequest) -> Iterator[Mesh]:
    """A mesh with a transform before and one with it behind `validate`; a name that is only rewritten is a model there too."""
    steps = [{"transform": TRANSFORM}, "validate"]
    if request.param == "behind":
        steps.reverse()
    models = [{"name": "gpt-*", "targets": [{"provider": "fake", "model": "*"}]}]
    with mesh_running(pipelines={"default": ["authenticate", *steps, "rate_limit", "cache"]}, models=models) as mesh:
        yield mesh


@pytest.fixture
async def fake(changing: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(changing.fake_port) as provider:
        yield provider


@pytest.fixture
async def client(changing: Mesh) -> AsyncIterator[openai.AsyncOpenAI]:
    headers = {"x-team": "red"}
    address = f"{changing.url}/v1"
    async with openai.AsyncOpenAI(base_url=address, api_key=ACME, max_retries=0, default_headers=headers) as client:
        yield client


async def test_the_provider_is_asked_what_the_transform_made(client: openai.AsyncOpenAI, fake: FakeProvider) -> None:
    await client.chat.completions.create(model="gpt-4o", messages=HELLO, extra_body={"end_user": "u"})
    asked = (await fake.exchange(1)).document
    assert asked == {
        "model": "words=24",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello, my key is [key]."}],
        "temperature": 0.2,
        "max_tokens": 64,
        "user": "u",
        "metadata": {"by": "acme/ci red"},
    }


async def test_unary_and_streamed_answers_are_changed_alike(client: openai.AsyncOpenAI, fake: FakeProvider) -> None:
    unary = await client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO)
    document = json.loads(unary.text)
    assert document["choices"][0]["message"]["content"] == ANSWER
    assert document["model"] == "kind"
    assert "created" not in document
    assert unary.headers["x-served-for"] == "acme"
    assert "x-runestone-provider" not in unary.headers

    options = {"include_usage": True}
    stream = await client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True, stream_options=options)
    assert stream.response.headers["x-served-for"] == "acme"
    assert "x-runestone-model" not in stream.response.headers
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == ANSWER
    assert {chunk.model for chunk in chunks} == {"kind"}
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks[-3:-1]] == [None, "stop"]
    assert chunks[-1].usage.completion_tokens == 24
    assert len(fake.exchanges) == 2


async def test_the_step_is_timed_and_a_cached_answer_is_changed_too(
    client: openai.AsyncOpenAI, fake: FakeProvider
) -> None:
    answers = []
    for _ in range(2):
        create = client.chat.completions.with_raw_response.create
        answers.append(await create(model="gpt-4o", messages=HELLO, seed=4))
    assert [answer.headers["x-cache"] for answer in answers] == ["MISS", "HIT"]
    assert answers[0].text == answers[1].text
    assert "transform;dur=" in answers[1].headers["server-timing"]
    assert len(fake.exchanges) == 1


async def test_a_cut_stream_is_still_a_cut_stream(client: openai.AsyncOpenAI, fake: FakeProvider) -> None:
    stream = await client.chat.completions.create(model="fake/words=80,cut=6000", messages=HELLO, stream=True)
    text = ""
    with pytest.raises(openai.APIError):
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""
    assert text
    assert (" ".join([WORDS] * 10)).startswith(text)
