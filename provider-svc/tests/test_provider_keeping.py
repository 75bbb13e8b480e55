"""What a request for something that is kept must be, and what of it goes into a path."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from provider_svc.envelope import read_envelope
from provider_svc.keeping import LONGEST_VALUE, MOST_PARAMETERS, PARAMETERS
from provider_svc.openai.stored import ACCESSES, read_event, read_stored, watch_stored, write_access
from provider_svc.provider import Kept, Meter, UpstreamCall
from provider_svc.relay import Fate
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT, DIALECT_OPENAI_RESPONSES
from runestone.provider.v1.provider_pb2 import CallRequest, Parameter, Resource

GET = Resource.ACTION_GET
# What a parameter may be that may not be anything.
RIGHT = {
    "include_obfuscation": "false",
    "starting_after": "2147483647",
    "stream": "true",
    "limit": "100",
    "order": "asc",
}
METER = Meter()


def request(*, action=GET, response_id="resp_1", query=(), **fields):
    parameters = [Parameter(name=name, value=value) for name, value in query]
    given = {
        "call_id": "c",
        "tenant": "t",
        "model": "m",
        "dialect": DIALECT_OPENAI_RESPONSES,
        "provider": "p",
        "resource": Resource(action=action, id=response_id, query=parameters),
    }
    return CallRequest(**{**given, **fields})


def refusal(**fields):
    with pytest.raises(RunestoneError) as error:
        read_envelope(request(**fields))
    assert error.value.reason is Reason.INVALID_REQUEST
    return error.value.param


@pytest.mark.parametrize("action", PARAMETERS)
def test_every_action_takes_the_parameters_that_it_knows_and_no_others(action):
    known = [(name, RIGHT.get(name, "x")) for name in sorted(PARAMETERS[action])]
    assert read_envelope(request(action=action, query=known)).kept == Kept(action, "resp_1", tuple(known))
    for name in ("limit", "stream", "api-version", ""):
        if name not in PARAMETERS[action]:
            assert refusal(action=action, query=[(name, "x")]) == name


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"action": Resource.ACTION_UNSPECIFIED}, "action"),
        ({"dialect": DIALECT_OPENAI_CHAT}, "dialect"),
        ({"provider": ""}, "provider"),
        ({"coalesce_key": b"k" * 32}, "coalesce_key"),
        ({"stream": True, "action": Resource.ACTION_DELETE}, "stream"),
        ({"query": [("include[]", "x")] * (MOST_PARAMETERS + 1)}, "query"),
        ({"query": [("include[]", "x" * (LONGEST_VALUE + 1))]}, "include[]"),
        *[
            ({"query": [("starting_after", number)]}, "starting_after")
            for number in ("", "-1", "1.0", "٣", "2147483648")
        ],
        ({"query": [("stream", "yes")]}, "stream"),
        ({"query": [("limit", "101")], "action": Resource.ACTION_INPUT_ITEMS}, "limit"),
        ({"query": [("order", "up")], "action": Resource.ACTION_INPUT_ITEMS}, "order"),
        ({"model": ""}, "model"),
    ],
)
def test_what_only_questions_have_and_what_is_too_much_is_refused(fields, param):
    assert refusal(**fields) == param


@pytest.mark.parametrize(
    "response_id", ["", ".", "..", "a/b", "a?b=c", "a#b", "a%2fb", "a b", "a\r\nb", "é", "x" * 256]
)
def test_what_is_no_id_goes_into_no_path(response_id):
    assert refusal(response_id=response_id) == "id"


def test_every_action_has_its_place():
    assert {action: write_access(Kept(action, "resp_1")) for action in ACCESSES} == {
        Resource.ACTION_GET: ("GET", "/responses/resp_1"),
        Resource.ACTION_DELETE: ("DELETE", "/responses/resp_1"),
        Resource.ACTION_CANCEL: ("POST", "/responses/resp_1/cancel"),
        Resource.ACTION_INPUT_ITEMS: ("GET", "/responses/resp_1/input_items"),
    }
    assert ACCESSES.keys() == PARAMETERS.keys() == set(Resource.Action.values()) - {Resource.ACTION_UNSPECIFIED}


@given(st.lists(st.tuples(st.sampled_from(sorted(PARAMETERS[GET])), st.text(max_size=20)), max_size=5))
def test_whatever_a_parameter_says_stays_a_parameter(query):
    _, path = write_access(Kept(GET, "resp_1", tuple(query)))
    before, _, after = path.partition("?")
    assert before == "/responses/resp_1"
    assert path.isascii() and path.isprintable() and not set(after) & set(' #?/"')
    assert after.count("=") == len(query) and after.count("&") == max(0, len(query) - 1)


def failure(read, *arguments):
    with pytest.raises(RunestoneError) as error:
        read(*arguments)
    return error.value.reason


@pytest.mark.parametrize(("query", "ends_whole"), [((("starting_after", "9"),), True), ((), False)])
def test_a_stream_that_is_asked_for_from_behind_its_end_may_be_empty(query, ends_whole):
    """And only then; with its first event it has to have its last one."""
    call = UpstreamCall(call_id="c", model="m", stream=True, members={}, kept=Kept(GET, "resp_1", query))
    watcher = watch_stored(call)
    assert watcher.is_whole is ends_whole
    assert watcher.passes(b'data: {"type":"response.output_text.delta"}\n\n') and not watcher.is_whole
    assert watcher.passes(b'data: {"type":"response.completed"}\n\n') and watcher.is_whole


def test_a_response_that_failed_is_no_failure_to_read_it():
    read_stored(b'{"id": "r", "object": "response", "error": {"code": "server_error", "message": "broke"}}', METER)
    assert (
        failure(read_stored, b'{"error": {"type": "invalid_request_error", "message": "x"}}', METER)
        is Reason.PROVIDER_REFUSED
    )
    assert failure(read_stored, b"<html>", METER) is Reason.PROVIDER_INVALID_ANSWER


def test_what_was_used_is_not_counted_again():
    meter = Meter()
    read_stored(
        b'{"object": "response", "status": "completed", "usage": {"input_tokens": 3, "output_tokens": 4}}', meter
    )
    assert meter == Meter()


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.failed"])
def test_a_stream_is_over_with_its_last_event_whatever_that_says(kind):
    event = {"type": kind, "response": {"error": {"code": "server_error", "message": "broke"}}}
    assert read_event(msgspec.json.encode(event)) is Fate.IS_OVER


def test_a_stream_that_cannot_be_read_on_fails():
    assert read_event(b'{"type": "response.queued", "response": {}}') is Fate.GOES_ON
    assert failure(read_event, b'{"type": "error", "code": "server_error", "message": "x"}') is Reason.PROVIDER_FAILED
    assert (
        failure(read_event, b'{"error": {"type": "rate_limit_error", "message": "x"}}') is Reason.PROVIDER_RATE_LIMITED
    )
    assert failure(read_event, b"[]") is Reason.PROVIDER_INVALID_ANSWER


@given(st.binary(max_size=60))
def test_garbage_is_read_or_refused(garbage):
    reasons = set()
    for read in (read_event, lambda body: read_stored(body, METER)):
        try:
            read(garbage)
        except RunestoneError as error:
            reasons.add(error.reason)
    assert reasons <= {Reason.PROVIDER_INVALID_ANSWER}
