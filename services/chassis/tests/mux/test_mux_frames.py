"""What is queued as bytes is what protobuf would have written for the whole batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.metadata import ROUTE_KEY
from chassis.mux import frames
from runestone.mux.v1.mux_pb2 import (
    Cancel,
    Frame,
    Goodbye,
    Metadata,
    Open,
    Part,
    SessionRequest,
    SessionResponse,
    Status,
)

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

calls = st.integers(1, (1 << 32) - 1)
opens = st.builds(
    lambda call, timeout_us, traceparent, entries, request, more: (
        frames.write_open(
            call,
            "/test.Acts/Unary",
            timeout_us / 1e6,
            (("traceparent", traceparent), *entries),
            request,
            more=more,
        ),
        Frame(
            call=call,
            open=Open(
                method="/test.Acts/Unary",
                timeout_us=timeout_us,
                traceparent=traceparent,
                metadata=[Metadata(key=key, value=value) for key, value in entries],
                request=request,
                more=more,
            ),
        ),
    ),
    calls,
    st.integers(0, 1 << 20).map(lambda seconds: seconds * 1_000_000),
    st.sampled_from([TRACEPARENT, ""]),
    st.lists(st.tuples(st.sampled_from(["x-a-bin", "x-b-bin"]), st.binary(max_size=9)), max_size=3),
    st.binary(max_size=300),
    st.booleans(),
)
parts = st.builds(
    lambda call, data, more: (
        frames.write_part(call, data, more=more),
        Frame(call=call, part=Part(data=data, more=more)),
    ),
    calls,
    st.binary(max_size=300),
    st.booleans(),
)
statuses = st.builds(Status, code=st.integers(0, 16), details=st.text(max_size=9), not_begun=st.booleans())
others = st.one_of(
    st.builds(lambda call, credit: (frames.write_credit(call, credit), Frame(call=call, credit=credit)), calls, calls),
    st.builds(lambda call: (frames.write_cancel(call), Frame(call=call, cancel=Cancel())), calls),
    st.builds(lambda call: (frames.write_end(call), Frame(call=call, status=Status())), calls),
    st.builds(
        lambda call, message: (frames.write_answer(call, message), Frame(call=call, status=Status(message=message))),
        calls,
        st.binary(max_size=300),
    ),
    st.builds(
        lambda call, status: (frames.write_status(call, status), Frame(call=call, status=status)), calls, statuses
    ),
    st.just((frames.write_goodbye(), Frame(goodbye=Goodbye()))),
)


@pytest.mark.parametrize("batch", [SessionRequest, SessionResponse])
@given(said=st.lists(opens | parts | others, max_size=12))
def test_frames_written_apart_and_joined_are_one_batch(batch, said):
    joined = b"".join(written for written, _ in said)
    assert batch.FromString(joined) == batch(frames=[frame for _, frame in said])


@given(st.binary(min_size=1, max_size=40))
def test_a_route_key_is_for_the_near_end_only(key):
    written = frames.write_open(1, "/m", 1.0, ((ROUTE_KEY, key), ("x-tenant", "acme")), b"", more=False)
    (frame,) = SessionRequest.FromString(written).frames
    assert [(entry.key, entry.value) for entry in frame.open.metadata] == [("x-tenant", b"acme")]
