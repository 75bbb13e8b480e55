"""The official `openai` SDK, unmodified, against the mesh."""

from collections.abc import Iterator

import openai
import pytest
from real_mesh import ACME, LIMITED, Mesh

HELLO = [{"role": "user", "content": "Hello, who are you?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def client(mesh: Mesh) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0) as client:
        yield client


def test_a_unary_answer(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model="simulated", messages=HELLO)
    assert completion.object == "chat.completion"
    assert completion.choices[0].message.content
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 0


def test_a_stream_says_the_same_as_the_unary_answer(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="simulated", messages=HELLO).choices[0].message.content
    chunks = list(client.chat.completions.create(model="simulated", messages=HELLO, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    assert all(chunk.usage is None for chunk in chunks)


def test_usage_comes_last_when_asked_for(client: openai.OpenAI) -> None:
    options = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model="simulated", messages=HELLO, stream=True, stream_options=options)
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_tools(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(
        model="simulated",
        messages=HELLO,
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
    )
    call = completion.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert '"city"' in call.function.arguments
    assert completion.choices[0].finish_reason == "tool_calls"


def test_the_models_that_the_key_may_use(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["simulated", "claude"]
    assert client.models.retrieve("simulated").owned_by == "sim"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-17")


def test_a_wrong_key(mesh: Mesh) -> None:
    with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key="sk-nobody", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as refusal:
            client.chat.completions.create(model="simulated", messages=HELLO)
        assert refusal.value.code == "invalid_api_key"


def test_an_unknown_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refusal:
        client.chat.completions.create(model="gpt-17", messages=HELLO)
    assert (refusal.value.code, refusal.value.param) == ("model_not_found", "model")


def test_a_wrong_type(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(model="simulated", messages=[{"role": "user", "content": 5}])
    assert refusal.value.param == "messages[0].content"


def test_a_limit_that_is_used_up(mesh: Mesh) -> None:
    with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=LIMITED, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as refusal:
            for _ in range(3):
                client.chat.completions.create(model="simulated", messages=HELLO)
        headers = refusal.value.response.headers
        assert 0 < int(headers["retry-after-ms"]) <= 30_000
        assert int(headers["retry-after"]) == -(-int(headers["retry-after-ms"]) // 1000)
        assert headers["x-ratelimit-limit-requests"] == "2"
        assert headers["x-should-retry"] == "true"


async def test_the_asynchronous_client_streams(mesh: Mesh) -> None:
    async with openai.AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0) as client:
        stream = await client.chat.completions.create(model="simulated", messages=HELLO, stream=True)
        assert [chunk async for chunk in stream][-1].choices[0].finish_reason == "stop"
