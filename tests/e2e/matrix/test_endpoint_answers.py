"""Every endpoint through the whole mesh, with the official clients: what a maker answers arrives, whole and streamed, also when it breaks
off in the middle, and a second time out of the cache."""

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import anthropic
import httpx2
import openai
import pytest
import pytest_asyncio
from fake_provider import FakeProvider
from fake_provider.exchange import Exchange
from makers import mesh_of_makers
from real_mesh import ACME, Mesh
from sdk_shapes import check_shape

# OpenAI's client warns of translations, which it has still.
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning"),
]

WAV = ("hello.wav", b"RIFF\r\n--not-the-boundary\x00\xff", "audio/wav")
PNG = ("a.png", b"\x89PNG\r\n\x1a\n", "image/png")
HEARD = "[hello.wav audio/wav 26 bytes] rain ström"
HELLO: Any = [{"role": "user", "content": "Hello"}]
MODELS = [
    {"name": "strict", "targets": [{"provider": "OpenAI", "model": "words=2"}]},
    {"name": "lax", "targets": [{"provider": "OpenAI", "model": "words=2"}], "on_loss": "drop"},
    {"name": "claude", "targets": [{"provider": "Anthropic", "model": "words=2"}]},
]


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with mesh_of_makers(models=MODELS) as running:
        yield running


@dataclass(frozen=True)
class Ends:
    """Both ends of a mesh: the clients, and the maker."""

    mesh: Mesh
    maker: FakeProvider
    gpt: openai.AsyncOpenAI
    claude: anthropic.AsyncAnthropic
    azure: openai.AsyncAzureOpenAI
    raw: aiohttp.ClientSession

    @property
    def last(self) -> Exchange:
        """What the maker was asked last."""
        return self.maker.exchanges[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ends(mesh: Mesh) -> AsyncIterator[Ends]:
    async with (
        FakeProvider(mesh.fake_port) as maker,
        openai.AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0) as gpt,
        anthropic.AsyncAnthropic(base_url=mesh.url, api_key=ACME, max_retries=0) as claude,
        openai.AsyncAzureOpenAI(
            azure_endpoint=mesh.url, api_key=ACME, api_version="2024-10-21", max_retries=0
        ) as azure,
        aiohttp.ClientSession(mesh.url, headers={"authorization": f"Bearer {ACME}"}) as raw,
    ):
        yield Ends(mesh, maker, gpt, claude, azure, raw)


async def test_completions(ends: Ends) -> None:
    whole = await ends.gpt.completions.create(model="OpenAI/words=2", prompt=["one", "two"], echo=True, logprobs=1)
    check_shape(whole)
    assert [choice.text for choice in whole.choices] == ["onerain ström", "tworain ström"]
    options: Any = {"include_usage": True}
    stream = await ends.gpt.completions.create(
        model="OpenAI/words=3", prompt="one", max_tokens=2, stream=True, stream_options=options
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == "rain ström"
    assert (chunks[-2].choices[0].finish_reason, chunks[-1].usage.completion_tokens) == ("length", 2)  # type: ignore[union-attr]


async def test_embeddings_in_either_encoding(ends: Ends) -> None:
    """The SDK asks for base64 by itself, and decodes it."""
    packed = await ends.gpt.embeddings.create(model="OpenAI/m", input=["a", "b c"], dimensions=5)
    assert ends.last.document["encoding_format"] == "base64"
    plain = await ends.gpt.embeddings.create(
        model="OpenAI/m", input=["a", "b c"], dimensions=5, encoding_format="float"
    )
    check_shape(plain)
    assert [row.embedding for row in packed.data] == [row.embedding for row in plain.data]
    assert [len(row.embedding) for row in plain.data] == [5, 5]
    assert plain.usage.prompt_tokens == 3


async def test_moderations(ends: Ends) -> None:
    answer = await ends.gpt.moderations.create(model="OpenAI/m", input=["rain", "graphic violence/graphic"])
    check_shape(answer)
    assert [result.flagged for result in answer.results] == [False, True]


async def test_images_are_generated_whole_and_in_stages(ends: Ends) -> None:
    answer = await ends.gpt.images.generate(model="OpenAI/m", prompt="a tree", n=2)
    check_shape(answer)
    assert len(answer.data or ()) == 2
    stream = await ends.gpt.images.generate(model="OpenAI/m", prompt="a tree", stream=True, partial_images=2)
    kinds = [event.type async for event in stream]
    assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


async def test_images_are_edited_from_a_form(ends: Ends) -> None:
    """Files and fields arrive as they were sent, under the maker's name of the model."""
    answer = await ends.gpt.images.edit(model="OpenAI/m", image=[PNG, PNG], mask=PNG, prompt="bluer")
    saw = "[image image/png 8 bytes] [image image/png 8 bytes] [mask image/png 8 bytes]"
    assert (answer.data or ())[0].revised_prompt == f"bluer {saw}"
    assert ends.last.document["model"] == "m"
    stream = await ends.gpt.images.edit(model="OpenAI/m", image=PNG, prompt="bluer", stream=True, partial_images=1)
    assert [event.type async for event in stream] == ["image_edit.partial_image", "image_edit.completed"]


async def test_speech_is_sound(ends: Ends) -> None:
    answer = await ends.gpt.audio.speech.create(model="OpenAI/m", voice="alloy", input="hello", response_format="wav")
    with wave.open(io.BytesIO(answer.content)) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(0.1)
    assert answer.response.headers["content-type"] == "audio/wav"


async def test_speech_comes_as_it_is_spoken(ends: Ends) -> None:
    """The first sound is the client's while the maker still speaks."""
    model = "OpenAI/pace=10ms"
    speaking = ends.gpt.audio.speech.with_streaming_response.create(model=model, voice="alloy", input="x" * 100)
    async with speaking as answer:
        sound = b""
        async for part in answer.iter_bytes():
            if not sound:
                assert not ends.last.over.is_set()
            sound += part
    assert len(sound) == 100 * 960


async def test_speech_that_is_cut_never_looks_whole(ends: Ends) -> None:
    model = "OpenAI/cut=2000,pace=10ms"
    speaking = ends.gpt.audio.speech.with_streaming_response.create(model=model, voice="alloy", input="x" * 100)
    with pytest.raises(httpx2.TransportError):
        async with speaking as answer:
            assert answer.status_code == 200
            _ = [part async for part in answer.iter_bytes()]


async def test_speech_as_events(ends: Ends) -> None:
    asked = {"model": "OpenAI/m", "voice": "alloy", "input": "hey", "stream_format": "sse"}
    async with ends.raw.post("/v1/audio/speech", json=asked) as answer:
        assert answer.content_type == "text/event-stream"
        *deltas, done = [json.loads(line[6:]) async for line in answer.content if line.startswith(b"data: ")]
    assert [event["type"] for event in deltas] == ["speech.audio.delta"] * 3
    assert done["usage"] == {"input_tokens": 1, "output_tokens": 3, "total_tokens": 4}


async def test_transcriptions_in_each_form(ends: Ends) -> None:
    create: Any = ends.gpt.audio.transcriptions.create
    answer = await create(model="OpenAI/words=2", file=WAV, include=["logprobs"])
    check_shape(answer)
    assert (answer.text, answer.usage.total_tokens) == (HEARD, 14)
    verbose = await create(model="OpenAI/words=2", file=WAV, response_format="verbose_json")
    assert verbose.segments[0].text == HEARD
    assert await create(model="OpenAI/words=2", file=WAV, response_format="text") == f"{HEARD}\n"
    assert HEARD in (await create(model="OpenAI/words=2", file=WAV, response_format="srt")).splitlines()


async def test_transcriptions_stream(ends: Ends) -> None:
    stream = await ends.gpt.audio.transcriptions.create(model="OpenAI/words=2", file=WAV, stream=True)
    events: Any = [event async for event in stream]
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == HEARD


async def test_translations(ends: Ends) -> None:
    assert (await ends.gpt.audio.translations.create(model="OpenAI/words=2", file=WAV)).text == HEARD


async def test_documents_are_ranked(ends: Ends) -> None:
    asked = {"model": "compatible/m", "query": "cold rain", "documents": ["sun", "rain", "cold rain"], "top_n": 2}
    async with ends.raw.post("/v1/rerank", json=asked) as answer:
        assert [result["index"] for result in (await answer.json())["results"]] == [2, 1]


async def test_a_prompts_tokens_are_counted(ends: Ends) -> None:
    count = await ends.claude.messages.count_tokens(model="Anthropic/m", messages=HELLO)
    check_shape(count)
    assert count.input_tokens > 0


async def test_models_are_listed_to_each_client_in_its_own_shape(ends: Ends) -> None:
    ours = await ends.gpt.models.list()
    theirs = await ends.claude.models.list()
    for model in (*ours.data, await ends.gpt.models.retrieve("lax"), *theirs.data):
        check_shape(model)
    assert {model.id for model in ours.data} == {model.id for model in theirs.data} >= {"strict", "lax", "claude"}


BREAKING: dict[str, dict[str, Any]] = {
    "/v1/completions": {"prompt": "one", "stream": True},
    "/v1/images/generations": {"prompt": "a tree", "stream": True, "partial_images": 2},
    "/v1/audio/speech": {"input": "hello", "voice": "alloy", "stream_format": "sse"},
}


@pytest.mark.parametrize("wish", ["cut_events=2", "error_event=2", "no_done"])
@pytest.mark.parametrize("path", BREAKING)
async def test_a_stream_of_any_endpoint_that_breaks_ends_with_an_error(ends: Ends, path: str, wish: str) -> None:
    """What came before it is the client's."""
    async with ends.raw.post(path, json={"model": f"OpenAI/{wish}", **BREAKING[path]}) as answer:
        *events, last, rest = (await answer.text()).split("\n\n")
    assert (answer.status, rest) == (200, "") and events
    assert set(json.loads(last.removeprefix("data: "))["error"]) == {"message", "type", "param", "code"}
    record = await asyncio.to_thread(ends.mesh.audit, answer.headers["x-request-id"])
    assert record.status == 502


async def test_a_transcript_that_breaks_ends_with_an_error(ends: Ends) -> None:
    stream = await ends.gpt.audio.transcriptions.create(model="OpenAI/error_event=2", file=WAV, stream=True)
    with pytest.raises(openai.APIError, match="the fake provider broke off"):
        _ = [event async for event in stream]


WAITING: dict[str, tuple[dict[str, Any], bytes]] = {
    "/v1/chat/completions": ({"messages": HELLO}, b": ping\n\n"),
    "/v1/responses": ({"input": "Hello"}, b": ping\n\n"),
    "/v1/messages": ({"messages": HELLO, "max_tokens": 5}, b'event: ping\ndata: {"type": "ping"}\n\n'),
}


async def test_a_client_that_waits_is_sent_pings_that_its_sdk_leaves_out(ends: Ends) -> None:
    """Every 10 s; all voices wait at once."""

    async def wait(path: str) -> bytes:
        body = {"model": "OpenAI/latency=60s", "stream": True, **WAITING[path][0]}
        async with ends.raw.post(path, json=body) as answer:
            return await answer.content.readexactly(len(WAITING[path][1]))

    pings = await asyncio.gather(*map(wait, WAITING))
    assert pings == [ping for _, ping in WAITING.values()]


async def test_what_cannot_be_carried_is_refused_or_left_out_as_the_route_says(ends: Ends) -> None:
    asked: Any = {"messages": HELLO, "max_tokens": 50, "extra_body": {"top_k": 3}}
    with pytest.raises(anthropic.BadRequestError, match="top_k"):
        await ends.claude.messages.create(model="strict", **asked)
    answer = await ends.claude.messages.with_raw_response.create(model="lax", **asked)
    assert (await answer.parse()).content[0].text == "rain ström"  # type: ignore[union-attr]
    assert answer.headers["x-runestone-dropped"] == "top_k"
    assert "top_k" not in ends.last.document
    record = await asyncio.to_thread(ends.mesh.audit, answer.headers["x-request-id"])
    assert list(record.dropped) == ["top_k"]


async def test_a_hint_is_left_out_on_every_route_and_told_of(ends: Ends) -> None:
    asked: Any = {"messages": HELLO, "prompt_cache_key": "mine"}
    answer = await ends.gpt.chat.completions.with_raw_response.create(model="claude", **asked)
    assert answer.headers["x-runestone-dropped"] == "prompt_cache_key"


async def test_azures_client_names_the_model_in_the_path(ends: Ends) -> None:
    """Also in front of a form."""
    chat = await ends.azure.chat.completions.create(model="OpenAI/words=2", messages=HELLO)
    assert chat.choices[0].message.content == "rain ström"
    embedding = await ends.azure.embeddings.create(model="OpenAI/m", input="a", dimensions=3)
    assert len(embedding.data[0].embedding) == 3
    assert (await ends.azure.audio.transcriptions.create(model="OpenAI/words=2", file=WAV)).text == HEARD
    assert ends.last.document["model"] == "words=2"


async def test_what_a_maker_is_sent_is_what_the_client_said(ends: Ends) -> None:
    """Members that nobody knows, and the maker's own headers; never the client's key."""
    extra = {"brand_new": {"b": 1.0, "a": [None]}}
    await ends.gpt.embeddings.create(
        model="OpenAI/m", input="a", extra_body=extra, extra_headers={"openai-beta": "embeddings=v9"}
    )
    assert ends.last.document["brand_new"] == extra["brand_new"]
    assert ends.last.headers["openai-beta"] == "embeddings=v9"
    assert ACME not in str(ends.last.headers)


async def test_the_same_question_is_answered_out_of_the_cache(ends: Ends) -> None:
    """Byte for byte, in every dialect, without asking the maker again."""
    questions: dict[str, dict[str, Any]] = {
        "/v1/embeddings": {"model": "OpenAI/m", "input": "keep this"},
        "/v1/moderations": {"model": "OpenAI/m", "input": "keep this"},
        "/v1/rerank": {"model": "compatible/m", "query": "keep", "documents": ["this"]},
        "/v1/messages": {"model": "Anthropic/m", "messages": HELLO, "max_tokens": 9, "temperature": 0},
        "/v1/messages/count_tokens": {"model": "Anthropic/m", "messages": HELLO},
        "/v1/responses": {"model": "OpenAI/m", "input": "keep this", "temperature": 0},
        "/v1/completions": {"model": "OpenAI/m", "prompt": "keep this", "temperature": 0},
    }
    streamed = {path: body | {"stream": True} for path, body in questions.items() if "temperature" in body}
    seen = []
    for path, body in (*questions.items(), *streamed.items()):
        headers = {"anthropic-version": "2023-06-01"} if "messages" in path else {}
        before, answers = ends.maker.requests, []
        for _ in range(2):
            async with ends.raw.post(path, json=body, headers=headers) as answer:
                answers.append((answer.status, answer.headers["x-cache"], await answer.read()))
        (*first, whole), (*second, again) = answers
        seen.append((path, first, second, whole == again, ends.maker.requests - before))
    assert seen == [(path, [200, "MISS"], [200, "HIT"], True, 1) for path, *_ in seen]


async def test_one_question_in_two_languages_is_two_answers(ends: Ends) -> None:
    """What is kept of a translated answer is the client's form of it."""
    texts = []
    for _ in range(2):
        message: Any = await ends.claude.messages.with_raw_response.create(
            model="OpenAI/words=3", messages=HELLO, max_tokens=50, extra_body={"temperature": 0}
        )
        chat: Any = await ends.gpt.chat.completions.with_raw_response.create(
            model="OpenAI/words=3", messages=HELLO, max_tokens=50, temperature=0
        )
        texts += [(message.headers["x-cache"], (await message.parse()).content[0].text)]
        texts += [(chat.headers["x-cache"], chat.parse().choices[0].message.content)]
    said = "rain ström 水"
    assert texts == [("MISS", said), ("MISS", said), ("HIT", said), ("HIT", said)]
