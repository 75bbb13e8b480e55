"""What is read of responses on their way, and of what is asked of them later."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from gateway_edge.stored.asking import MOST_PARAMETERS, read_id, read_resource, wants_stream
from gateway_edge.stored.place import Place, is_id, read_place, write_place
from gateway_edge.stored.reading import may_hold_end, read_document, read_events
from runestone.provider.v1.provider_pb2 import Resource

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
GET = Resource.ACTION_GET


def event(kind: str, **members: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **members}))


CREATED = event("response.created", response={"id": "resp_1", "store": True, "output": []}, sequence_number=0)


@given(NAMES, NAMES)
def test_a_place_is_read_as_it_was_written(provider: str, model: str) -> None:
    assert read_place(write_place(Place(provider, model))) == Place(provider, model)


def test_a_place_that_no_note_holds_is_not_written() -> None:
    assert write_place(Place("p", "m" * 2000)) == b""


@given(st.binary(max_size=60))
def test_whatever_a_note_holds_is_a_place_or_none(note: bytes) -> None:
    assert isinstance(read_place(note), Place | None)


@pytest.mark.parametrize("text", ["resp_1", "ad5663da-63e6-86c6-e0be-ff15effa8357", "x" * 255])
def test_what_makers_call_responses_is_an_id(text: str) -> None:
    assert is_id(text)


@pytest.mark.parametrize("text", ["", "..", "a/b", "a?b", "a%2Fb", "a b", "resp_1\n", "é", "x" * 256, "{id}"])
def test_what_could_change_a_path_is_none(text: str) -> None:
    assert not is_id(text)


def test_the_id_of_a_response_is_known_from_its_first_event() -> None:
    assert read_events(CREATED) == "resp_1"
    assert read_events(CREATED + event("response.in_progress", response={"id": "resp_2"})) == "resp_1"
    assert read_events(CREATED.replace(b"\n", b"\r\n")) == "resp_1"
    assert read_events(b": hello\n\n" + CREATED) == "resp_1"


@pytest.mark.parametrize(
    "events",
    [
        b"",
        b": ping\n\n",
        b"data: [DONE]\n\n",
        b"data: {\n\n",
        b'data: "\xff"\n\n',
        event("response.created"),
        event("response.created", response={"id": 7}),
        event("response.created", response={"id": "../x"}),
        event("response.created", response={"id": "resp_1", "store": False}),
    ],
)
def test_what_names_no_stored_response_has_no_id(events: bytes) -> None:
    assert read_events(events) == ""


@given(st.binary(max_size=80))
def test_whatever_passes_has_an_id_that_is_one_or_none(body: bytes) -> None:
    for found in (read_document(body), read_events(body), read_events(b"data: " + body)):
        assert found == "" or is_id(found)


def test_a_document_says_its_id_and_whether_it_is_stored() -> None:
    assert read_document(b'{"id": "resp_1", "object": "response", "output": []}') == "resp_1"
    assert read_document(b'{"id": "resp_1", "store": false}') == ""
    assert read_document(b"[" * 100_000) == ""


@pytest.mark.parametrize(
    ("kind", "is_end"), [("response.completed", True), ("response.incomplete", True), ("x", False)]
)
def test_an_end_is_seen(kind: str, is_end: bool) -> None:
    assert may_hold_end(CREATED + event(kind)) is is_end


@pytest.mark.parametrize("after", ["", "/cancel", "/input_items"])
@pytest.mark.parametrize("before", ["/v1", "", "/openai", "/openai/v1"])
def test_the_id_of_a_path_is_found_in_every_spelling(before: str, after: str) -> None:
    assert read_id(f"{before}/responses/resp_1{after}") == "resp_1"


def test_a_query_goes_on_as_it_was_said() -> None:
    query = "include%5B%5D=a&include[]=b%20c&starting_after=3&api-version=2024-10-21&stream="
    said = [(part.name, part.value) for part in read_resource(GET, "resp_1", query).query]
    assert said == [("include[]", "a"), ("include[]", "b c"), ("starting_after", "3"), ("stream", "")]


@pytest.mark.parametrize("query", ["a=%ff", "&".join(["a=1"] * (MOST_PARAMETERS + 1))])
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    with pytest.raises(RunestoneError) as refused:
        read_resource(GET, "resp_1", query)
    assert refused.value.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize(("query", "is_stream"), [("", False), ("stream=true", True), ("stream=false", False)])
def test_a_stream_is_wanted_where_the_query_says_so(query: str, is_stream: bool) -> None:
    assert wants_stream(read_resource(GET, "resp_1", query)) is is_stream


@pytest.mark.parametrize("query", ["stream=", "stream=1", "stream=True", "stream=true&stream=false"])
def test_what_two_readers_could_take_for_a_stream_and_for_none_is_refused(query: str) -> None:
    with pytest.raises(RunestoneError) as refused:
        wants_stream(read_resource(GET, "resp_1", query))
    assert (refused.value.reason, refused.value.param) == (Reason.INVALID_REQUEST, "stream")
