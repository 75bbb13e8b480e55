"""What the simulated provider answers beside chat: shapes that the official SDK reads, and nothing left to chance."""

import base64
import math
import struct

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion, CreateEmbeddingResponse, ModerationCreateResponse

from chassis.config.presets import POSSIBLE
from chassis.config.providers import Provider
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from provider_svc.dialect_names import find_dialects
from provider_svc.openai.stream import ChunkWatcher
from provider_svc.provider import Gathered, Meter, UpstreamCall
from provider_svc.relay import Relay
from provider_svc.simulated.embeddings import MOST_NUMBERS, embed
from provider_svc.simulated.endpoints import PLAYERS
from provider_svc.simulated.provider import SimulatedProvider
from provider_svc.simulated.rerank import compare
from runestone.common.v1 import dialect_pb2 as dialects

COMPLETIONS = dialects.DIALECT_OPENAI_COMPLETIONS
EMBEDDINGS = dialects.DIALECT_OPENAI_EMBEDDINGS
MODERATIONS = dialects.DIALECT_OPENAI_MODERATIONS
RERANK = dialects.DIALECT_RERANK
EXAMPLES = {
    COMPLETIONS: {"prompt": "once upon a time"},
    EMBEDDINGS: {"input": "hello"},
    MODERATIONS: {"input": "hello"},
    RERANK: {"query": "a b", "documents": ["c", "a"]},
}


async def ask(dialect, *, model="simulated", stream=False, **members):
    provider = SimulatedProvider("sim", Provider(name="sim", kind="simulated"), FakeClock())
    raw = {name: msgspec.Raw(orjson.dumps(value)) for name, value in members.items()}
    call = UpstreamCall(call_id="c", model=model, stream=stream, members=raw, dialect=dialect)
    gathered = Gathered()
    await provider.call(call, gathered)
    return b"".join(chunk.body for chunk in gathered.steps[1:]), call.meter


async def document(dialect, **members):
    return orjson.loads((await ask(dialect, **members))[0])


def test_the_provider_speaks_what_it_plays():
    assert find_dialects(POSSIBLE["simulated"]) == set(PLAYERS)
    assert {*EXAMPLES, dialects.DIALECT_OPENAI_CHAT} == set(PLAYERS)


@pytest.mark.parametrize("dialect", EXAMPLES)
async def test_the_same_question_gives_the_same_answer(dialect):
    assert await document(dialect, **EXAMPLES[dialect]) == await document(dialect, **EXAMPLES[dialect])


@pytest.mark.parametrize("dialect", EXAMPLES)
async def test_every_endpoint_fails_as_it_is_asked_to(dialect):
    with pytest.raises(RunestoneError) as error:
        await ask(dialect, model="status=429", **EXAMPLES[dialect])
    assert error.value.reason is Reason.PROVIDER_RATE_LIMITED


@pytest.mark.parametrize(
    ("dialect", "members", "param"),
    [
        (COMPLETIONS, {}, ""),
        (COMPLETIONS, {"prompt": ["a", "b"]}, "prompt"),
        (COMPLETIONS, {"prompt": "a", "n": 2}, "prompt"),
        (COMPLETIONS, {"prompt": "a", "max_tokens": 0}, "max_tokens"),
        (EMBEDDINGS, {"input": []}, "input"),
        (EMBEDDINGS, {"input": ""}, "input"),
        (EMBEDDINGS, {"input": ["a", 1]}, "input"),
        (EMBEDDINGS, {"input": "a", "dimensions": 0}, "dimensions"),
        (EMBEDDINGS, {"input": "a", "encoding_format": "hex"}, "encoding_format"),
        (EMBEDDINGS, {"input": ["a"] * (MOST_NUMBERS // 4096 + 1), "dimensions": 4096}, "input"),
        (MODERATIONS, {"input": []}, "input"),
        (MODERATIONS, {"input": 7}, "input"),
        (RERANK, {"query": "a"}, ""),
        (RERANK, {"query": "a", "documents": []}, "documents"),
        (RERANK, {"query": "a", "documents": ["b"], "top_n": 0}, "top_n"),
    ],
)
async def test_what_a_provider_would_refuse_is_refused(dialect, members, param):
    with pytest.raises(RunestoneError) as error:
        await ask(dialect, **members)
    assert (error.value.reason, error.value.param) == (Reason.PROVIDER_REFUSED, param)


async def test_a_completion_is_one_that_the_sdk_reads():
    body, meter = await ask(COMPLETIONS, prompt="once upon a time", max_tokens=8)
    said = Completion.model_validate_json(body, strict=True)
    assert said.choices[0].text.startswith("You said: once upon a time")
    assert (said.choices[0].finish_reason, meter.finish_reason) == ("length", "length")
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (4, 8)
    assert (meter.usage.input_tokens, meter.usage.output_tokens) == (4, 8)


@pytest.mark.parametrize("asked", [True, False])
async def test_a_streamed_completion_says_what_the_document_says(asked):
    whole = await document(COMPLETIONS, prompt="once")
    stream, _ = await ask(COMPLETIONS, stream=True, prompt="once", stream_options={"include_usage": asked})
    relayed, frames = Meter(), []
    relay = Relay(ChunkWatcher(relayed, strips_usage=True), lambda chunk: frames.extend(chunk.split()))
    relay.feed(stream)
    relay.end()
    texts = [orjson.loads(frame[6:])["choices"][0]["text"] for frame in frames[:-1]]
    assert "".join(texts) == whole["choices"][0]["text"]
    assert relayed.finish_reason == whole["choices"][0]["finish_reason"]
    assert (relayed.usage is not None) is asked


async def test_embeddings_are_what_the_sdk_reads():
    body, meter = await ask(EMBEDDINGS, input=["one two", "three", [1, 2, 3]], dimensions=8)
    said = CreateEmbeddingResponse.model_validate_json(body, strict=True)
    assert [(item.index, len(item.embedding)) for item in said.data] == [(0, 8), (1, 8), (2, 8)]
    assert (said.usage.prompt_tokens, meter.usage.input_tokens) == (6, 6)
    assert not meter.usage.HasField("output_tokens")


async def test_base64_holds_the_same_numbers():
    """The SDK asks for it unless told otherwise."""
    plain = (await document(EMBEDDINGS, input="x", dimensions=16))["data"][0]["embedding"]
    packed = (await document(EMBEDDINGS, input="x", dimensions=16, encoding_format="base64"))["data"][0]["embedding"]
    assert struct.unpack("<16f", base64.b64decode(packed)) == pytest.approx(plain, rel=1e-6)


@given(st.text(), st.integers(1, 64))
def test_vectors_have_length_one_and_their_dimensions(text, dimensions):
    vector = embed(text, dimensions)
    assert len(vector) == dimensions
    assert math.hypot(*vector) == pytest.approx(1)


def test_other_texts_have_other_vectors():
    assert embed("a", 8) != embed("b", 8)


async def test_tokens_stand_for_a_text():
    one = await document(EMBEDDINGS, input=[1, 2, 3], dimensions=4)
    assert one["data"] == (await document(EMBEDDINGS, input=[[1, 2, 3]], dimensions=4))["data"]


async def test_moderations_are_what_the_sdk_reads():
    body, meter = await ask(MODERATIONS, input=["a walk in the park", "so much Violence here"])
    calm, wild = ModerationCreateResponse.model_validate_json(body).results
    assert (calm.flagged, wild.flagged, wild.categories.violence, wild.categories.hate) == (False, True, True, False)
    assert wild.category_scores.violence - calm.category_scores.violence > 0.9
    assert meter.usage is None


async def test_a_text_in_parts_is_one_text():
    parts = [{"type": "text", "text": "some"}, {"type": "image_url", "image_url": {"url": "x"}}, {"text": "hate"}]
    (result,) = (await document(MODERATIONS, input=parts))["results"]
    assert result["categories"]["hate"]


async def test_the_nearest_document_comes_first():
    documents = ["nothing", {"text": "rain in spring"}, "the rain", "rain"]
    said = await document(RERANK, query="rain", documents=documents, top_n=3, return_documents=True)
    assert [result["index"] for result in said["results"]] == [3, 2, 1]
    assert said["results"][2]["document"] == {"text": "rain in spring"}
    assert said["usage"] == {"total_tokens": 8}


@given(st.text(), st.text())
def test_nearness_is_mutual_and_bounded(query, text):
    assert 0 <= compare(query, text) == compare(text, query) <= 1
    assert compare(query, query) == (1.0 if query.split() else 0.0)
