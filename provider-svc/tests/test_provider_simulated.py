import msgspec
import orjson
import pytest

from chassis.config import Duration
from chassis.config.providers import Provider, Simulation
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from provider_svc.openai.stream import ChunkWatcher
from provider_svc.provider import Begun, Gathered, Meter, UpstreamCall
from provider_svc.relay import Relay
from provider_svc.simulated.arguments import example
from provider_svc.simulated.behaviour import Behaviour, read_behaviour
from provider_svc.simulated.provider import SimulatedProvider

MESSAGES = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "tell me of rain"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["C", "F"]},
                "days": {"type": "integer", "minimum": 2},
                "extra": {"type": "string"},
            },
            "required": ["city", "unit", "days"],
        },
    },
}


async def ask(model="simulated", *, stream=False, call_id="c", simulation=None, **members):
    """The call's steps and meter."""
    provider = SimulatedProvider(
        "sim", Provider(name="sim", kind="simulated", simulation=simulation or Simulation()), FakeClock()
    )
    raw = {name: msgspec.Raw(orjson.dumps(value)) for name, value in {"messages": MESSAGES, **members}.items()}
    call = UpstreamCall(call_id=call_id, model=model, stream=stream, members=raw)
    gathered = Gathered()
    await provider.call(call, gathered)
    return gathered.steps, call.meter


async def ask_document(model="simulated", **options):
    steps, _ = await ask(model, **options)
    assert isinstance(steps[0], Begun)
    return orjson.loads(steps[1].body)


async def ask_text(model="simulated", **options):
    return (await ask_document(model, **options))["choices"][0]["message"]["content"]


async def test_the_same_request_gives_the_same_answer():
    assert await ask_document() == await ask_document()
    assert await ask_text() != await ask_text(seed=1)


async def test_an_answer_echoes_and_has_as_many_words_as_asked():
    text = await ask_text("words=40")
    assert text.startswith("You said: tell me of rain ")
    assert len(text.split()) == 40


async def test_ids_follow_from_the_call():
    ids = [(await ask_document(call_id=call_id))["id"] for call_id in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_token_limit_cuts_the_answer_and_says_so(name):
    document = await ask_document(**{name: 7})
    assert document["choices"][0]["finish_reason"] == "length"
    assert document["usage"]["completion_tokens"] == 7
    assert len(document["choices"][0]["message"]["content"].split()) == 7


async def test_a_limit_that_is_not_reached_changes_nothing():
    assert (await ask_document(max_tokens=24))["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_forced_tool_is_called_with_arguments_that_fit(choice):
    document = await ask_document(tools=[WEATHER], tool_choice=choice)
    call = document["choices"][0]["message"]["tool_calls"][0]["function"]
    assert call["name"] == "weather"
    assert orjson.loads(call["arguments"]) == {"city": "text", "unit": "C", "days": 2}
    assert document["choices"][0]["finish_reason"] == "tool_calls"


async def test_tools_that_are_not_forced_are_not_called():
    assert await ask_text(tools=[WEATHER], tool_choice="auto")


@pytest.mark.parametrize("tools", [[], [WEATHER]])
@pytest.mark.parametrize("asked", [True, False])
async def test_a_stream_says_what_the_document_says(asked, tools):
    forced = {"tools": tools, "tool_choice": "required"} if tools else {}
    document = await ask_document(**forced)
    steps, meter = await ask(stream=True, **forced, stream_options={"include_usage": asked} if asked else None)
    relayed, chunks = Meter(), []
    Relay(ChunkWatcher(relayed, strips_usage=False), chunks.append).feed(steps[1].body)
    frames = b"".join(chunk.body for chunk in chunks).split(b"\n\n")
    chunks = [orjson.loads(frame[6:]) for frame in frames[:-2]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    message = document["choices"][0]["message"]
    assert frames[-2:] == [b"data: [DONE]", b""]
    assert deltas[0]["role"] == "assistant"
    assert "".join(delta.get("content") or "" for delta in deltas) == (message["content"] or "")
    arguments = [c["function"]["arguments"] for delta in deltas for c in delta.get("tool_calls", [])]
    assert "".join(arguments) == (message["tool_calls"][0]["function"]["arguments"] if tools else "")
    assert relayed.finish_reason == meter.finish_reason == document["choices"][0]["finish_reason"]
    assert (relayed.usage is not None) is asked
    assert meter.usage.output_tokens == document["usage"]["completion_tokens"]


async def test_without_a_pace_the_stream_is_one_chunk_and_with_one_each_event_is():
    assert len((await ask(stream=True))[0]) == 2
    assert len((await ask("words=3,pace=1ms", stream=True))[0]) == 1 + 6


async def test_a_long_stream_goes_in_bounded_chunks():
    steps, _ = await ask("words=20000", stream=True)
    assert all(len(chunk.body) < 300 << 10 for chunk in steps[1:])
    assert sum(len(chunk.ends) for chunk in steps[1:]) == 20_003


@pytest.mark.parametrize("stream", [True, False])
async def test_a_status_is_answered_as_a_provider_would(stream):
    with pytest.raises(RunestoneError) as error:
        await ask("status=503", stream=stream)
    assert (error.value.reason, error.value.upstream_status) == (Reason.PROVIDER_OVERLOADED, 503)


@pytest.mark.parametrize(("stream", "model"), [(True, "cut=3"), (False, "cut=3"), (True, "words=9,pace=1ms,cut=3")])
async def test_a_cut_answer_never_looks_whole(stream, model):
    with pytest.raises(RunestoneError) as error:
        await ask(model, stream=stream)
    assert error.value.reason is Reason.PROVIDER_STREAM_CUT


def test_the_models_name_goes_over_the_configuration():
    simulation = Simulation(words=5, latency=Duration(1), status=500)
    assert read_behaviour("simulated", simulation) == Behaviour(words=5, latency=1, status=500)
    assert read_behaviour("gpt,words=7,latency=3s", simulation) == Behaviour(words=7, latency=3, status=500)
    assert read_behaviour("status=0,pace=20ms,cut=2", simulation) == Behaviour(words=5, latency=1, pace=0.02, cut=2)


@pytest.mark.parametrize(
    "model", ["word=1", "words=", "words=x", "words=-1", "pace=1y", "status=600", "a,b", "cut=1.5", "="]
)
def test_a_wish_that_is_not_known_is_refused(model):
    with pytest.raises(RunestoneError) as error:
        read_behaviour(model, Simulation())
    assert (error.value.reason, error.value.upstream_status) == (Reason.PROVIDER_REFUSED, 400)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages[0]"),
        ({"n": 2}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"tool_choice": {"type": "function", "function": {"name": "none"}}}, "tool_choice"),
    ],
)
async def test_a_request_that_a_provider_would_refuse_is_refused(members, param):
    with pytest.raises(RunestoneError) as error:
        await ask(**members)
    assert (error.value.reason, error.value.param) == (Reason.PROVIDER_REFUSED, param)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, {}),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
        ({"type": ["string", "null"]}, "text"),
        ({"const": 4}, 4),
        ({"type": "object", "properties": {"a": {"default": 1}}, "required": ["a", "b"]}, {"a": 1, "b": None}),
    ],
)
def test_an_example_is_the_least_that_a_schema_accepts(schema, value):
    assert example(schema) == value


def test_a_schema_of_any_depth_has_an_example():
    schema = {"type": "object", "required": ["a"], "properties": {}}
    schema["properties"]["a"] = schema
    assert example(schema)
