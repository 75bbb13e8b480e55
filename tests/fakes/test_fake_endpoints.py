"""The endpoints that are no conversations, as the official SDK reads them."""

import io
import json
import struct
import wave

import openai
import pytest
from sdk_shapes import check_shape

WAV = ("hello.wav", b"RIFF\r\n--not-the-boundary\x00\xff", "audio/wav")
PNG = ("a.png", b"\x89PNG\r\n\x1a\n", "image/png")


async def test_completions_answer_each_prompt(gpt):
    whole = await gpt.completions.create(model="words=2", prompt=["one", "two"], n=2, echo=True, logprobs=1)
    check_shape(whole)
    assert [choice.text for choice in whole.choices] == [
        "onerain ström",
        "onerain ström",
        "tworain ström",
        "tworain ström",
    ]
    assert whole.choices[0].logprobs.text_offset == [0, 3, 7]
    assert whole.choices[0].finish_reason == "stop"


async def test_completions_stream_with_usage(gpt):
    stream = await gpt.completions.create(
        model="words=3", prompt="one", stream=True, max_tokens=2, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == "rain ström"
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].usage.completion_tokens == 2


@pytest.mark.parametrize(
    ("given", "rows", "tokens"),
    [("a b", 1, 2), (["a", "b c"], 2, 3), ([1, 2, 3], 1, 3), ([[1], [2, 3]], 2, 3)],
)
async def test_embeddings_are_the_same_in_either_encoding(gpt, given, rows, tokens):
    """The SDK asks for base64 by itself and decodes it."""
    packed = await gpt.embeddings.create(model="m", input=given, dimensions=5)
    plain = await gpt.embeddings.create(model="m", input=given, dimensions=5, encoding_format="float")
    check_shape(plain)
    assert [row.embedding for row in packed.data] == [row.embedding for row in plain.data]
    assert [(row.index, len(row.embedding)) for row in plain.data] == [(index, 5) for index in range(rows)]
    assert sum(number * number for number in plain.data[0].embedding) == pytest.approx(1)
    assert plain.usage.prompt_tokens == tokens


async def test_different_texts_have_different_embeddings(gpt):
    answer = await gpt.embeddings.create(model="m", input=["rain", "stone"])
    assert answer.data[0].embedding != answer.data[1].embedding


async def test_moderations_find_what_a_text_names(gpt):
    answer = await gpt.moderations.create(input=["rain", "graphic violence/graphic"])
    check_shape(answer)
    assert [result.flagged for result in answer.results] == [False, True]
    assert answer.results[1].categories.violence_graphic
    assert not answer.results[1].categories.hate


async def test_images_are_pictures(gpt):
    answer = await gpt.images.generate(model="m", prompt="a tree", n=2, size="1024x1536")
    check_shape(answer)
    assert answer.data[0].b64_json != answer.data[1].b64_json
    assert answer.size == "1024x1536"
    linked = await gpt.images.generate(model="m", prompt="a tree", response_format="url")
    assert linked.data[0].url.startswith("https://")


async def test_images_stream_their_stages(gpt):
    stream = await gpt.images.generate(model="m", prompt="a tree", stream=True, partial_images=2)
    events = [event async for event in stream]
    for event in events:
        check_shape(event)
    assert [event.type for event in events] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


async def test_edits_see_what_was_uploaded(gpt):
    answer = await gpt.images.edit(model="m", image=[PNG, PNG], mask=PNG, prompt="bluer")
    check_shape(answer)
    saw = "[image image/png 8 bytes] [image image/png 8 bytes] [mask image/png 8 bytes]"
    assert answer.data[0].revised_prompt == f"bluer {saw}"
    stream = await gpt.images.edit(model="m", image=PNG, prompt="bluer", stream=True, partial_images=1)
    assert [event.type async for event in stream] == ["image_edit.partial_image", "image_edit.completed"]


async def test_speech_is_sound_as_long_as_its_text(gpt):
    answer = await gpt.audio.speech.create(model="m", voice="alloy", input="hello", response_format="wav")
    with wave.open(io.BytesIO(answer.content)) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(0.1)
    assert answer.response.headers["content-type"] == "audio/wav"


async def test_speech_streams_as_events_where_asked(raw):
    asked = {"model": "m", "voice": "alloy", "input": "hey", "stream_format": "sse"}
    async with raw.post("/v1/audio/speech", json=asked) as answer:
        assert answer.content_type == "text/event-stream"
        *deltas, done = [json.loads(line[6:]) async for line in answer.content if line.startswith(b"data: ")]
    assert [event["type"] for event in deltas] == ["speech.audio.delta"] * 3
    assert done == {"type": "speech.audio.done", "usage": {"input_tokens": 1, "output_tokens": 3, "total_tokens": 4}}


HEARD = "[hello.wav audio/wav 26 bytes] rain ström"


async def test_transcriptions_say_what_they_heard(gpt):
    """Bytes that look like a part's end are the file's."""
    answer = await gpt.audio.transcriptions.create(model="words=2", file=WAV)
    check_shape(answer)
    assert answer.text == HEARD
    assert answer.usage.total_tokens == 14


async def test_transcriptions_come_in_each_form(gpt):
    create = gpt.audio.transcriptions.create
    verbose = await create(model="words=2", file=WAV, response_format="verbose_json")
    check_shape(verbose, allowed=frozenset({"task"}))
    assert verbose.segments[0].text == verbose.text == HEARD
    assert await create(model="words=2", file=WAV, response_format="text") == f"{HEARD}\n"
    assert (await create(model="words=2", file=WAV, response_format="srt")).splitlines()[1:3] == [
        "00:00:00,000 --> 00:00:02,000",
        HEARD,
    ]
    assert (await create(model="words=2", file=WAV, response_format="vtt")).startswith("WEBVTT\n")


async def test_transcriptions_stream(gpt):
    stream = await gpt.audio.transcriptions.create(model="words=2", file=WAV, stream=True)
    events = [event async for event in stream]
    for event in events:
        check_shape(event)
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == HEARD


async def test_translations_have_text_alone(gpt):
    with pytest.warns(DeprecationWarning, match="deprecated"):  # the SDK's, of the endpoint
        answer = await gpt.audio.translations.create(model="words=2", file=WAV)
    check_shape(answer)
    assert answer.text == HEARD


async def test_documents_are_ranked_by_the_words_they_share(raw):
    asked = {"model": "m", "query": "cold rain", "documents": ["sun", {"text": "rain"}, "cold rain"], "top_n": 2}
    async with raw.post("/v1/rerank", json={**asked, "return_documents": True}) as answer:
        document = await answer.json()
    assert document["results"] == [
        {"index": 2, "relevance_score": 1.0, "document": {"text": "cold rain"}},
        {"index": 1, "relevance_score": 0.5, "document": {"text": "rain"}},
    ]


async def test_models_are_listed(fake, gpt):
    fake.memory.models = ["one", "two"]
    models = await gpt.models.list()
    for model in models.data:
        check_shape(model)
    assert [model.id for model in models.data] == ["one", "two"]
    with pytest.raises(openai.NotFoundError):
        await gpt.models.retrieve("three")


async def test_paths_of_nobody_are_not_found(raw):
    async with raw.post("/v1/horoscopes", json={}) as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["message"] == "Invalid URL (POST /v1/horoscopes)"


async def test_a_packed_embedding_is_little_endian(raw):
    async with raw.post("/v1/embeddings", json={"model": "m", "input": "a", "encoding_format": "base64"}) as answer:
        packed = (await answer.json())["data"][0]["embedding"]
    import base64

    assert len(struct.unpack("<16f", base64.b64decode(packed))) == 16
