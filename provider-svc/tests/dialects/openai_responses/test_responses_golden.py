"""Requests, streams and documents of OpenAI's Responses, as their golden files have them."""

import json

import pytest
from dialects.openai_responses.wire import (
    GOLDEN,
    asked,
    document_of,
    events_of,
    frames,
    read,
    shown,
    steps_of,
    stream_of,
    write,
)

from chassis.sse import read_event
from provider_svc.dialects.openai_responses import DIALECT

STREAMS = sorted(path.name.removesuffix(".upstream.sse") for path in (GOLDEN / "streams").glob("*.upstream.sse"))
REQUESTS = sorted(path.name.removesuffix(".read.json") for path in (GOLDEN / "requests").glob("*.read.json"))

QUESTION = asked(
    model="claude",
    instructions="Be brief.",
    input="Hi",
    metadata={"team": "a"},
    temperature=0.5,
    max_output_tokens=100,
    include=["reasoning.encrypted_content"],
    tools=[
        {"type": "function", "name": "f", "parameters": {"type": "object"}},
        {"type": "web_search"},
        {"type": "custom", "name": "run_code"},
    ],
    tool_choice="auto",
    user="u",
)


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_read_into_the_steps_of_its_golden_file(name):
    steps = steps_of(golden(f"streams/{name}.upstream.sse"))
    assert "".join(f"{shown(step)}\n" for step in steps) == golden(f"streams/{name}.steps.txt").decode()


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_written_as_its_golden_file(name):
    steps = steps_of(golden(f"streams/{name}.upstream.sse"))
    assert stream_of(steps, QUESTION) == golden(f"streams/{name}.client.sse")


@pytest.mark.parametrize("name", STREAMS)
def test_a_golden_stream_has_the_shapes_that_the_sdk_knows(name):
    events = events_of(golden(f"streams/{name}.client.sse"))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1]["type"] in {"response.completed", "response.incomplete"}


@pytest.mark.parametrize("name", STREAMS)
def test_a_document_is_written_as_its_golden_file(name):
    steps = steps_of(golden(f"streams/{name}.upstream.sse"))
    assert document_of(steps, QUESTION) == json.loads(golden(f"streams/{name}.document.json"))


@pytest.mark.parametrize("name", STREAMS)
def test_what_was_written_is_read_as_what_it_was_written_of(name):
    """Another gateway of this kind may be the provider."""
    steps = steps_of(golden(f"streams/{name}.upstream.sse"))
    assert steps_of(stream_of(steps, QUESTION)) == steps


@pytest.mark.parametrize("name", STREAMS)
def test_an_answer_without_its_last_event_never_looks_whole(name):
    reader = DIALECT.open_reader()
    upstream = frames(golden(f"streams/{name}.upstream.sse"))
    steps = [step for frame in upstream[:-1] for step in reader.read(read_event(frame).data)]
    assert not {"Stop", "End"} & {type(step).__name__ for step in steps}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_read_and_written_as_its_golden_file(name):
    prompt, lost = read(json.loads(golden(f"requests/{name}.read.json")))
    body, lost_in_writing = write(prompt)
    assert (lost, lost_in_writing) == ((), ())
    assert body == json.loads(golden(f"requests/{name}.written.json"))
