"""What decides without a network: frames, numbers, pauses, addresses, errors, presence."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phoenix_presence import refs_of, sync_diff, sync_state

from runestone_client import errors
from runestone_client.address import read_address
from runestone_client.backoff import Backoff, may_dial_again, may_reconnect
from runestone_client.cursor import Cursor
from runestone_client.frames import MalformedFrameError, read_frame, write_frame, write_payload
from runestone_client.presence import PresenceChanged, read_diff, read_state
from runestone_client.texts import read_text

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(join_ref=st.none() | st.text(), ref=st.none() | st.text(), topic=st.text(), event=st.text(), payload=json)
def test_a_frame_is_read_as_it_was_written(join_ref, ref, topic, event, payload):
    frame = read_frame(write_frame(join_ref, ref, topic, event, write_payload(payload)))
    assert (frame.join_ref, frame.ref, frame.topic, frame.event, frame.payload) == (
        join_ref,
        ref,
        topic,
        event,
        payload,
    )


@given(st.text() | st.binary())
def test_what_is_no_frame_is_refused_and_nothing_else_happens(message):
    with contextlib.suppress(MalformedFrameError):
        read_frame(message)


def test_binary_frames_are_read():
    reply = read_frame(bytes([1, 1, 1, 3, 2]) + b"12a:bok\x00\xff")
    assert (reply.join_ref, reply.ref, reply.topic) == ("1", "2", "a:b")
    assert reply.payload == {"status": "ok", "response": b"\x00\xff"}
    told = read_frame(bytes([2, 3, 4]) + b"a:bnews\x01")
    assert (told.join_ref, told.topic, told.event, told.payload) == (None, "a:b", "news", b"\x01")
    with pytest.raises(MalformedFrameError):
        read_frame(bytes([2, 200, 4]) + b"a")


@given(st.integers(0, 1000), st.floats(0, 1), st.none() | st.floats(0, 60))
def test_a_pause_is_jittered_bounded_and_never_shorter_than_asked_for(attempt, luck, at_least):
    backoff = Backoff(shortest=0.1, longest=10)
    pause = backoff.pause(attempt, lambda low, high: low + luck * (high - low), at_least)
    assert (at_least or 0) <= pause <= (at_least or 0) + min(10, 0.1 * 2.0 ** min(attempt, 40))


def test_who_may_come_back():
    assert {code for code in range(1000, 1016) if may_reconnect(code)} == {1001, 1005, 1006, 1011, 1012, 1013}
    assert [status for status in (400, 401, 403, 404, 408, 426, 429, 500, 503) if may_dial_again(status)] == [
        429,
        500,
        503,
    ]


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://h:1", "ws://h:1/socket/websocket?vsn=2.0.0"),
        ("https://h/v1/", "wss://h/socket/websocket?vsn=2.0.0"),
        ("ws://h/base/socket", "ws://h/base/socket/websocket?vsn=2.0.0"),
        ("wss://h/x/websocket?a=b&vsn=2.1.0", "wss://h/x/websocket?vsn=2.1.0&a=b"),
    ],
)
def test_an_address_is_completed(given, address):
    assert read_address(given) == address


@pytest.mark.parametrize("wrong", ["", "h:1", "ftp://h", "http://"])
def test_what_is_no_address_is_refused(wrong):
    with pytest.raises(ValueError, match="address"):
        read_address(wrong)


@given(st.data())
def test_repeated_and_joined_events_are_read_once(data):
    """However often a reader is thrown back to an earlier number, and however many come in one message."""
    cursor, read, shown = Cursor(), [], sorted(data.draw(st.sets(st.integers(1, 40))))
    for _ in range(data.draw(st.integers(1, 6))):
        after = data.draw(st.sampled_from([0, *[seq for seq in shown if seq <= cursor.last]]))
        seqs = [seq for seq in shown if seq > after]
        if after == cursor.last and len(seqs) > 1 and data.draw(st.booleans()):
            payload = {"first_seq": after + 1, "seq": seqs[1], "chunks": seqs[:2]}
            read += [chunk.data for chunk in cursor.take(payload)]
            after, seqs = seqs[1], seqs[2:]
        for seq in seqs[: data.draw(st.integers(0, 40))]:
            read += [chunk.data for chunk in cursor.take({"first_seq": after + 1, "seq": seq, "chunk": seq})]
            after = seq
    assert read == shown[: len(read)]


def test_a_gap_is_noticed():
    cursor = Cursor(3)
    with pytest.raises(errors.EventsLostError):
        cursor.take({"seq": 5, "chunk": 1})
    with pytest.raises(errors.EventsLostError):
        cursor.take({"first_seq": 2, "seq": 5, "chunks": [1, 2, 3, 4]})
    assert cursor.last == 3


@pytest.mark.parametrize("status", sorted(errors.BY_STATUS))
def test_each_status_has_its_error(status):
    error = errors.read_refusal(
        {"reason": "r", "status": status, "error": {"message": "m", "code": "c"}, "retry_after_ms": 1500}
    )
    assert type(error) is errors.BY_STATUS[status]
    assert (error.status, error.reason, error.code, error.retry_after, str(error)) == (status, "r", "c", 1.5, "m")


@given(json)
def test_any_refusal_is_an_error(response):
    assert isinstance(errors.read_refusal(response), errors.GatewayError)


refs = st.sets(st.integers(0, 12))


def states(members):
    told = {}
    for ref in sorted(members):
        told.setdefault(f"k{ref % 3}", {"metas": []})["metas"].append({"phx_ref": str(ref), "n": ref})
    return told


@given(st.lists(st.tuples(refs, st.booleans()), max_size=8))
def test_presence_is_kept_as_phoenix_keeps_it(steps):
    ours, reference, present = {}, {}, set()
    for target, is_whole in steps:
        if is_whole:
            ours, changes = read_state(ours, states(target))
            reference = sync_state(reference, states(target))
        else:
            diff = {"joins": states(target - present), "leaves": states(present - target)}
            ours, changes = read_diff(ours, diff)
            reference = sync_diff(reference, diff)
        assert {key: {meta["phx_ref"] for meta in metas} for key, metas in ours.items()} == refs_of(reference)
        assert {change.meta["n"] for change in changes if change.kind == "joined"} == target - present
        assert {change.meta["n"] for change in changes if change.kind == "left"} == present - target
        present = target


def test_an_update_is_one_change():
    state, _ = read_state({}, {"ann": {"metas": [{"phx_ref": "1", "mood": "fine"}]}})
    new = {"phx_ref": "2", "phx_ref_prev": "1", "mood": "better"}
    diff = {"joins": {"ann": {"metas": [new]}}, "leaves": {"ann": {"metas": [{"phx_ref": "1"}]}}}
    assert read_diff(state, diff) == ({"ann": [new]}, [PresenceChanged("updated", "ann", new)])


def test_the_text_of_each_api_is_found():
    assert (
        read_text({"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]})
        == "a"
    )
    assert read_text({"type": "response.output_text.delta", "delta": "a"}) == "a"
    assert read_text({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}) == "a"
    assert [
        read_text(other) for other in ("a", None, {}, {"choices": [3]}, {"type": "response.created", "delta": 3})
    ] == [""] * 5
