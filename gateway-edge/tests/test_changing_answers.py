"""Answers that middleware sees and changes pass as they come: nothing is held back."""

from collections.abc import Callable

import pytest

from gateway_edge.call import Call
from gateway_edge.plugin import change_answer, watch_answer

EVENTS = [b"data: one\n\n", b"data: two\n\ndata: three\n\n", b"data: [DONE]\n\n"]


async def test_each_event_reaches_the_client_before_the_next_is_written(make_call: Callable[..., Call]) -> None:
    call = make_call()
    client, passed = call.reply, []
    change_answer(call, bytes.upper)
    for event in EVENTS:
        await call.reply.write(event)
        passed.append(client.body)
    assert passed == [b"".join(EVENTS[: count + 1]).upper() for count in range(len(EVENTS))]
    assert not client.is_closed
    await call.reply.close()
    assert client.is_closed


async def test_a_document_is_changed_whole_and_keeps_its_status_and_type(make_call: Callable[..., Call]) -> None:
    call = make_call()
    client = call.reply
    change_answer(call, lambda body: b"<" + body + b">")
    await call.reply.send(b"answer", "text/plain", 201)
    assert (client.body, client.content_type, client.status) == (b"<answer>", "text/plain", 201)


async def test_watching_sees_every_byte_and_changes_none(make_call: Callable[..., Call]) -> None:
    call = make_call()
    client, seen = call.reply, []
    watch_answer(call, seen.append)
    for event in EVENTS:
        await call.reply.write(event)
    assert seen == EVENTS and client.body == b"".join(EVENTS)


async def test_events_that_change_to_nothing_are_dropped(make_call: Callable[..., Call]) -> None:
    call = make_call()
    client = call.reply
    change_answer(call, lambda events: b"" if b"two" in events else events)
    for event in EVENTS:
        await call.reply.write(event)
    assert client.body == EVENTS[0] + EVENTS[2]


@pytest.mark.parametrize("nothing", [None, "", "text", bytearray(b"x")])
async def test_what_is_no_bytes_is_a_mistake_not_an_empty_answer(make_call: Callable[..., Call], nothing) -> None:
    """A `change` that forgets its `return` would swallow the stream otherwise."""
    call = make_call()
    client = call.reply
    change_answer(call, lambda _events: nothing)
    with pytest.raises(TypeError, match="must return bytes"):
        await call.reply.write(EVENTS[0])
    with pytest.raises(TypeError, match="must return bytes"):
        await call.reply.send(b"{}")
    assert client.body == b""


async def test_changes_nest_the_last_put_in_front_sees_the_answer_first(make_call: Callable[..., Call]) -> None:
    call = make_call()
    client = call.reply
    change_answer(call, lambda body: body + b" outer")
    change_answer(call, lambda body: body + b" inner")
    await call.reply.send(b"answer")
    assert client.body == b"answer inner outer"


async def test_headers_bytes_and_beginnings_are_those_of_the_clients_reply(make_call: Callable[..., Call]) -> None:
    call = make_call()
    client = call.reply
    watch_answer(call, lambda _data: None)
    call.reply.headers["x-stamp"] = "seen"
    call.reply.expect_events()
    assert not call.reply.has_begun
    await call.reply.write(EVENTS[0])
    assert client.headers == {"x-stamp": "seen", "expects-events": "yes"}
    assert (call.reply.bytes_sent, call.reply.has_begun) == (len(EVENTS[0]), True)
