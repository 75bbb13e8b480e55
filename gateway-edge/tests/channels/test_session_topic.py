"""What a client can do with models in a session: streams, whole answers, control, resuming."""

import asyncio
import json

import pytest
from channels.channel_stage import Stage, answer_nothing

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Outcome
from gateway_edge.door.intake import STREAM_HEADER
from gateway_edge.door.running import LastReply
from runestone.common.v1.cost_pb2 import Cost
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import ControlRequest

REQUEST = {"model": "m", "messages": []}
PAUSE, RESUME, CANCEL = ControlRequest.ACTION_PAUSE, ControlRequest.ACTION_RESUME, ControlRequest.ACTION_CANCEL


def event(number: int) -> bytes:
    return b'id: %d\ndata: {"n":%d}\n\n' % (number, number)


async def say_three(reply: LastReply, outcome: Outcome) -> None:
    """A stream with a comment in it, all of it in two parts."""
    reply.expect_events()
    reply.headers.update({"x-runestone-provider": "fake", "x-runestone-model": "m1", "x-cache": "MISS"})
    await reply.write(event(1) + b": still there\n\n" + event(3))
    await reply.write(b"event: named\ndata: no json\n\ndata: [DONE]\n\n")
    await reply.close()
    outcome.usage, outcome.cost, outcome.finish_reason = (
        Usage(input_tokens=1, output_tokens=0),
        Cost(nano_usd=1500),
        "stop",
    )


async def go_on_forever(reply: LastReply, outcome: Outcome) -> None:
    number = 0
    while True:
        number += 1
        await reply.write(event(number))
        await asyncio.sleep(0)


async def test_stream_is_named_started_numbered_and_completed():
    stage = Stage(say_three)
    await stage.join()
    reply = await stage.push("chat:stream", {"request": REQUEST}, "2")
    assert reply == {"status": "ok", "response": {"stream_id": "req_1"}}
    (complete,) = await stage.event("stream:complete")
    assert [frame[3] for frame in stage.socket.sent][1:] == [
        "phx_reply", "stream:started", *["stream:chunk"] * 3, "stream:complete",
    ]  # fmt: skip
    (started,) = stage.events("stream:started")
    assert started["stream_id"] == "req_1"
    assert (started["provider"], started["model"], started["cache"]) == ("fake", "m1", "MISS")
    assert stage.events("stream:chunk") == [
        {"stream_id": "req_1", "seq": 1, "chunk": {"n": 1}},
        {"stream_id": "req_1", "first_seq": 2, "seq": 3, "chunk": {"n": 3}},
        {"stream_id": "req_1", "seq": 4, "event": "named", "chunk": "no json"},
    ]
    usage = {"input_tokens": 1, "output_tokens": 0}
    assert complete == {"stream_id": "req_1", "seq": 5, "usage": usage, "cost": 0.0000015, "finish_reason": "stop"}


async def test_question_is_the_clients_own_bytes_and_can_be_resumed():
    stage = Stage(say_three)
    await stage.join(payload={"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"})
    body = '{"model": "m",  "stream":true, "messages":[]}'
    frame = f'["1","2","session:a","chat:stream",{{"request": {body}, "headers": {{"Cache-Control": "no-cache"}}}}]'
    stage.connection.received(frame)
    await stage.event("stream:complete")
    (message,) = stage.calls.seen
    assert message.body == body.encode()
    assert (message.method, message.path, message.front) == ("POST", "/v1/chat/completions", "ws")
    assert message.headers == {
        "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01",
        "cache-control": "no-cache",
        "x-runestone-resumable": "1",
    }


@pytest.mark.parametrize(
    ("event_name", "request_body", "expected"),
    [
        ("chat:stream", '{"model":"m"}', '{"model":"m","stream":true}'),
        ("chat:stream", "{}", '{"stream":true}'),
        ("chat:stream", '{"model":"m","stream":false}', '{"model":"m","stream":true}'),
        ("chat:stream", '{"model":"m","stream":"yes"}', '{"model":"m","stream":"yes"}'),
        ("chat:stream", '{"stream":true,"stream":false}', '{"stream":true,"stream":false}'),
        ("chat:stream", "[1]", "[1]"),
        ("chat:message", '{"model":"m"}', '{"model":"m"}'),
        ("chat:message", '{"model":"m","stream":true}', '{"model":"m","stream":false}'),
    ],
)
async def test_event_says_whether_it_is_a_stream(event_name: str, request_body: str, expected: str):
    stage = Stage(say_three)
    await stage.join()
    stage.connection.received(f'["1","2","session:a","{event_name}",{{"request":{request_body}}}]')
    await stage.wait(lambda: stage.calls.seen)
    assert stage.calls.seen[0].body.decode() == expected


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"request": REQUEST, "endpoint": "/" * 300},
        {"request": REQUEST, "headers": {"authorization": "Bearer other"}},
        {"request": REQUEST, "headers": {"x-runestone-tags": "a\nb"}},
        {"request": REQUEST, "headers": {f"x-runestone-{n}": "1" for n in range(40)}},
        [],
        None,
    ],
)
async def test_what_cannot_be_asked_is_answered_and_nothing_runs(payload: object):
    stage = Stage(say_three)
    await stage.join()
    reply = await stage.push("chat:stream", payload, "2")
    assert (reply["status"], reply["response"]["status"]) == ("error", 400)
    assert stage.calls.seen == []


async def test_call_that_is_not_admitted_is_a_refusal_and_no_stream():
    async def refuse(reply: LastReply, outcome: Outcome) -> None:
        raise RunestoneError(Reason.RATE_LIMITED, "too fast", retry_after=2.0)

    stage = Stage(refuse)
    await stage.join()
    reply = await stage.push("chat:stream", {"request": REQUEST}, "2")
    assert (reply["status"], reply["response"]["status"], reply["response"]["retry_after_ms"]) == ("error", 429, 2000)
    assert not [frame for frame in stage.socket.sent if frame[3].startswith("stream:")]


async def test_stream_that_breaks_off_ends_with_an_error_and_never_looks_complete():
    async def break_off(reply: LastReply, outcome: Outcome) -> None:
        await reply.write(event(1))
        raise RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut")

    stage = Stage(break_off)
    await stage.join()
    await stage.push("chat:stream", {"request": REQUEST}, "2")
    (error,) = await stage.event("stream:error")
    assert (error["stream_id"], error["error"]["message"], error["status"]) == ("req_1", "cut", 502)
    assert stage.events("stream:complete") == []


async def test_answers_that_are_no_events_are_sent_to_the_other_message():
    async def speak(reply: LastReply, outcome: Outcome) -> None:
        await reply.begin("audio/mpeg")
        await reply.write(b"\xff\x00")
        await reply.close()

    stage = Stage(speak)
    await stage.join()
    refused = await stage.push("chat:stream", {"request": REQUEST, "endpoint": "/v1/audio/speech"}, "2")
    assert "chat:message" in refused["response"]["error"]["message"]
    stage.say("1", "3", "session:a", "chat:message", {"request": REQUEST, "endpoint": "/v1/audio/speech"})
    await stage.wait(lambda: stage.socket.binary)
    assert stage.socket.binary == [b"\x01\x01\x01\x09\x0213session:aok\xff\x00"]


async def test_whole_answer_is_the_document_and_who_gave_it():
    async def answer(reply: LastReply, outcome: Outcome) -> None:
        reply.headers.update({"x-cache": "HIT", "x-runestone-provider": "fake"})
        outcome.is_billed = False
        await reply.send(b'{"id":"a", "choices":[]}')

    stage = Stage(answer)
    await stage.join()
    reply = await stage.push("chat:message", {"request": REQUEST}, "2")
    own = {"request_id": "req_1", "provider": "fake", "model": None, "cache": "HIT", "cost": 0}
    assert reply == {"status": "ok", "response": {"runestone": own, "id": "a", "choices": []}}


async def test_whole_answer_is_bounded():
    async def answer(reply: LastReply, outcome: Outcome) -> None:
        await reply.send(b"x" * 2000)

    stage = Stage(answer, max_frame_size=1000)
    await stage.join()
    assert (await stage.push("chat:message", {"request": REQUEST}, "2"))["response"]["status"] == 502


async def test_streams_of_a_connection_are_bounded_and_counted_down():
    stage = Stage(answer_nothing, max_streams=2)
    await stage.join()
    stage.say("1", "2", "session:a", "chat:stream", {"request": REQUEST})
    stage.say("1", "3", "session:a", "chat:message", {"request": REQUEST})
    refused = await stage.push("chat:stream", {"request": REQUEST}, "4")
    assert refused["response"]["error"]["code"] == "too_many_streams"
    await stage.wait(lambda: stage.calls.seen, 2)
    await stage.push("phx_leave", {}, "5")
    await stage.wait(lambda: stage.calls.ended, 2)
    await stage.join(ref="6")
    stage.say("6", "7", "session:a", "chat:stream", {"request": REQUEST})
    await stage.wait(lambda: stage.calls.seen, 3)


async def test_client_that_joins_anew_at_once_gets_its_slots_back():
    stage = Stage(answer_nothing, max_streams=1)
    await stage.join()
    for number in range(2, 6):  # each ends a stream whose task did not even run
        stage.say(str(number - 1), f"s{number}", "session:a", "chat:stream", {"request": REQUEST})
        await stage.join(ref=str(number))
    await asyncio.sleep(0)
    assert (await stage.push("unknown", {}, "9", join_ref="5"))["response"]["error"]["code"] == "unknown_event"
    stage.say("5", "10", "session:a", "chat:stream", {"request": REQUEST})
    await stage.wait(lambda: stage.calls.seen)


async def test_paused_stream_stands_still_at_once_and_goes_on_where_it_was():
    stage = Stage(go_on_forever)
    stage.control.known.add("req_1")
    await stage.join()
    await stage.push("chat:stream", {"request": REQUEST}, "2")
    await stage.event("stream:chunk", 3)
    stage.say("1", "3", "session:a", "stream:control", {"stream_id": "req_1", "action": "pause"})
    assert (await stage.reply("3")) == {"status": "ok", "response": {"stream_id": "req_1"}}
    seen = len(stage.events("stream:chunk"))
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(stage.events("stream:chunk")) == seen
    await stage.push("stream:control", {"stream_id": "req_1", "action": "resume"}, "4")
    chunks = await stage.event("stream:chunk", seen + 3)
    assert [chunk["seq"] for chunk in chunks] == list(range(1, len(chunks) + 1))
    assert stage.control.asked == [("acme", "req_1", PAUSE), ("acme", "req_1", RESUME)]
    stage.lose()


async def test_pause_that_takes_too_long_ends_the_stream_honestly():
    stage = Stage(go_on_forever, pause_window=0.001)
    stage.control.known.add("req_1")
    await stage.join()
    await stage.push("chat:stream", {"request": REQUEST}, "2")
    await stage.push("stream:control", {"stream_id": "req_1", "action": "pause"}, "3")
    (error,) = await stage.event("stream:error")
    assert (error["reason"], error["status"]) == ("deadline_exceeded", 504)


@pytest.mark.parametrize("is_known", [True, False], ids=["flight", "cached"])
async def test_cancelled_stream_says_so_once_also_where_it_is_paused(is_known: bool):
    stage = Stage(go_on_forever)
    stage.control.known.update({"req_1"} if is_known else ())
    await stage.join()
    await stage.push("chat:stream", {"request": REQUEST}, "2")
    await stage.push("stream:control", {"stream_id": "req_1", "action": "pause"}, "3")
    reply = await stage.push("stream:control", {"stream_id": "req_1", "action": "cancel"}, "4")
    assert reply["status"] == "ok"
    await stage.wait(lambda: stage.calls.ended)
    assert stage.events("stream:cancelled") == [{"stream_id": "req_1"}]
    assert stage.events("stream:error") == stage.events("stream:complete") == []
    assert (await stage.push("chat:message", {}, "5"))["status"] == "error", "the channel is still there"


async def test_cached_stream_is_paused_where_it_is_delivered():
    stage = Stage(go_on_forever)  # control knows no such stream
    await stage.join()
    await stage.push("chat:stream", {"request": REQUEST}, "2")
    assert (await stage.push("stream:control", {"stream_id": "req_1", "action": "pause"}, "3"))["status"] == "ok"
    stage.lose()


async def test_stream_that_was_not_asked_for_here_is_steered_as_a_request_would_which_scopes_may_forbid():
    """By its path, so that it is on record, and a key steers what it could read."""

    async def obey(reply, _outcome):
        if not stage.calls.seen[-1].path.startswith("/v1/streams/req_far/"):
            raise RunestoneError(Reason.NOT_FOUND, "no such stream")
        await reply.send(b"{}")

    stage = Stage(obey)
    await stage.join()
    assert (await stage.push("stream:control", {"stream_id": "req_far", "action": "cancel"}, "2"))["status"] == "ok"
    (asked,) = stage.calls.seen
    assert (asked.method, asked.path) == ("POST", "/v1/streams/req_far/cancel")
    assert stage.control.asked == []
    for ref, none in (("3", "req_no"), ("4", "../x"), ("5", "")):
        unknown = await stage.push("stream:control", {"stream_id": none, "action": "cancel"}, ref)
        assert unknown["response"]["reason"] == "not_found"
    for ref, bad in (
        ("6", {"stream_id": "req_no", "action": "explode"}),
        ("7", {"stream_id": "x" * 200, "action": "pause"}),
    ):
        assert (await stage.push("stream:control", bad, ref))["response"]["status"] == 400


async def test_pause_that_nobody_could_be_told_of_does_not_hold():
    stage = Stage(go_on_forever)
    stage.control.error = RunestoneError(Reason.UNAVAILABLE, "away")
    await stage.join()
    await stage.push("chat:stream", {"request": REQUEST}, "2")
    reply = await stage.push("stream:control", {"stream_id": "req_1", "action": "pause"}, "3")
    assert reply["response"]["status"] == 503
    await stage.event("stream:chunk", len(stage.events("stream:chunk")) + 2)
    stage.lose()


async def test_stream_is_cancelled_where_it_was_asked_also_when_nobody_else_can_be_told():
    stage = Stage(go_on_forever)
    stage.control.error = RunestoneError(Reason.UNAVAILABLE, "away")
    await stage.join()
    await stage.push("chat:stream", {"request": REQUEST}, "2")
    reply = await stage.push("stream:control", {"stream_id": "req_1", "action": "cancel"}, "3")
    assert reply["status"] == "ok"
    assert await stage.event("stream:cancelled") == [{"stream_id": "req_1"}]


async def test_lost_connection_leaves_its_streams_and_leaving_cancels_them():
    """Whoever leaves is done; whoever is lost may come back."""
    lost, left = Stage(go_on_forever), Stage(go_on_forever)
    for stage in (lost, left):
        await stage.join()
        await stage.push("chat:stream", {"request": REQUEST}, "2")
        await stage.event("stream:chunk")
    lost.lose()
    await left.push("phx_leave", {}, "3")
    for stage in (lost, left):
        await stage.wait(lambda stage=stage: stage.calls.ended)
    assert (lost.calls.ended, left.calls.ended) == (["CancelledError"], ["failed"])
    await left.wait(lambda: left.control.asked)
    assert (lost.control.asked, left.control.asked) == ([], [("acme", "req_1", CANCEL)])


async def test_join_goes_on_with_streams_behind_what_its_client_has():
    async def resume(reply: LastReply, outcome: Outcome) -> None:
        await reply.write(event(8) + event(9))
        await reply.close()
        outcome.cost, outcome.is_billed = Cost(nano_usd=10**9), False  # the call that it follows pays

    stage = Stage(resume)
    assert (await stage.join(payload={"resume": {"req_old": 7}}))["status"] == "ok"
    (complete,) = await stage.event("stream:complete")
    (message,) = stage.calls.seen
    assert (message.method, message.path, message.query) == ("GET", "/v1/streams/req_old", "starting_after=7")
    assert [(chunk["stream_id"], chunk["seq"]) for chunk in stage.events("stream:chunk")] == [
        ("req_old", 8),
        ("req_old", 9),
    ]
    assert (complete["stream_id"], complete["seq"], complete["cost"]) == ("req_old", 9, 1)


async def test_stream_that_is_no_more_fails_alone():
    async def refuse(reply: LastReply, outcome: Outcome) -> None:
        raise RunestoneError(Reason.NOT_FOUND, "no such stream")

    stage = Stage(refuse)
    assert (await stage.join(payload={"resume": {"req_old": 7}}))["status"] == "ok"
    (error,) = await stage.event("stream:error")
    assert (error["stream_id"], error["reason"], error["status"]) == ("req_old", "not_found", 404)


@pytest.mark.parametrize(
    "wish",
    [
        {"resume": {"../x": 1}},
        {"resume": {"": 1}},
        {"resume": {"req_1": -1}},
        {"resume": {"req_1": 2**60}},
        {"resume": {"req_1": "1"}},
        {"resume": {f"req_{number}": 1 for number in range(40)}},
        {"resume": ["req_1"]},
        {"traceparent": 1},
        {"traceparent": "0" * 200},
    ],
)
async def test_join_with_a_wish_that_is_none_is_refused(wish: object):
    stage = Stage()
    reply = await stage.join(payload=wish)
    assert (reply["status"], reply["response"]["status"]) == ("error", 400)
    assert stage.calls.seen == []


@pytest.mark.parametrize("name", ["a\x00b", "x" * 129])
async def test_session_has_a_name_that_can_be_read(name: str):
    stage = Stage()
    assert (await stage.join(f"session:{name}"))["response"]["status"] == 400


async def test_slow_client_gets_together_what_came_together_and_then_holds_the_provider_back():
    written = []

    async def write(reply: LastReply, outcome: Outcome) -> None:
        for first in (1, 3, 5):
            await reply.write(event(first) + event(first + 1))
            written.append(first)
        await reply.close()

    stage = Stage(write)
    await stage.join()
    stage.socket.buffered = 1 << 20
    stage.socket.drained.clear()
    await stage.push("chat:stream", {"request": REQUEST}, "2")
    for _ in range(50):
        await asyncio.sleep(0)
    assert written == []
    assert stage.events("stream:chunk") == [
        {"stream_id": "req_1", "first_seq": 1, "seq": 2, "chunks": [{"n": 1}, {"n": 2}]}
    ]
    stage.socket.buffered = 0
    stage.socket.drained.set()
    await stage.event("stream:complete")
    assert [chunk["seq"] for chunk in stage.events("stream:chunk")] == [2, 3, 4, 5, 6]


async def test_binary_message_is_the_request_itself():
    stage = Stage(say_three)
    await stage.join()
    stage.connection.received(b"\x00\x01\x01\x09\x0b12session:achat:stream" + json.dumps(REQUEST).encode())
    await stage.event("stream:complete")
    assert json.loads(stage.calls.seen[0].body) == REQUEST | {"stream": True}


async def test_stream_that_ends_with_the_process_is_left_for_its_client_to_come_back_to():
    async def stop(reply: LastReply, outcome: Outcome) -> None:
        reply.headers[STREAM_HEADER] = "req_1"
        await reply.write(event(1))
        stage.connection.drain()
        raise RunestoneError(Reason.UNAVAILABLE, "the gateway is stopping")

    stage = Stage(stop)
    await stage.join()
    await stage.push("chat:stream", {"request": REQUEST}, "2")
    await stage.wait(lambda: [stage.socket.closed_with] if stage.socket.closed_with else [])
    assert stage.socket.closed_with == (1012, "the gateway restarts")
    assert stage.events("stream:error") == stage.events("stream:complete") == []


async def test_draining_lets_what_runs_end_and_no_whole_answer_begin():
    """A client that has nothing running is closed by whoever drains; else its socket closes behind the last answer. Streams may begin: who
    asks for one comes back for it."""
    go_on = asyncio.Event()

    async def answer(reply: LastReply, outcome: Outcome) -> None:
        await go_on.wait()
        await reply.send(b"{}")

    idle, busy = Stage(), Stage(answer)
    assert idle.connection.drain() is False
    await busy.join()
    busy.say("1", "2", "session:a", "chat:message", {"request": REQUEST})
    await busy.wait(lambda: busy.calls.seen)
    assert busy.connection.drain() is True
    assert (await busy.push("chat:message", {"request": REQUEST}, "3"))["response"]["status"] == 503
    busy.say("1", "4", "session:a", "chat:stream", {"request": REQUEST})
    assert busy.socket.is_open
    go_on.set()
    assert (await busy.reply("4"))["status"] == "ok"
    assert (await busy.reply("2"))["status"] == "ok"
    await busy.wait(lambda: [busy.socket.closed_with] if busy.socket.closed_with else [])
    assert busy.socket.closed_with == (1012, "the gateway restarts")


DRAIN = [None, None, "phoenix", "phx_drain", {}]


@pytest.mark.parametrize("is_noted", [True, False])
async def test_client_is_told_to_leave_when_all_that_it_reads_is_found_elsewhere(is_noted: bool):
    """A stream whose note was not kept ends with its connection: who left it would never find the rest."""
    start, go_on = asyncio.Event(), asyncio.Event()

    async def answer(reply: LastReply, outcome: Outcome) -> None:
        reply.expect_events()
        await start.wait()
        if is_noted:
            reply.headers[STREAM_HEADER] = "req_1"
        await reply.write(event(1))
        await go_on.wait()
        await reply.close()

    stage = Stage(answer)
    await stage.join()
    await stage.push("chat:stream", {"request": REQUEST}, "2")
    assert stage.connection.drain() is True
    assert DRAIN not in stage.socket.sent, "nobody knows yet whether it can be found"
    start.set()
    await stage.event("stream:chunk")
    assert (DRAIN in stage.socket.sent) is is_noted
    stage.connection.drain()
    go_on.set()
    await stage.wait(lambda: [stage.socket.closed_with] if stage.socket.closed_with else [])
    assert stage.socket.sent.count(DRAIN) == 1
    assert stage.events("stream:complete")
    if not is_noted:
        assert stage.socket.sent[-1] == DRAIN, "it is told of the end first"


async def test_whole_answer_may_be_asked_for_by_a_client_that_was_not_told_to_leave():
    stream_goes_on = asyncio.Event()

    async def answer(reply: LastReply, outcome: Outcome) -> None:
        if len(stage.calls.seen) > 1:
            await reply.send(b"{}")
            return
        await reply.write(event(1))
        await stream_goes_on.wait()
        await reply.close()

    stage = Stage(answer)
    await stage.join()
    await stage.push("chat:stream", {"request": REQUEST}, "2")
    stage.connection.drain()
    assert (await stage.push("chat:message", {"request": REQUEST}, "3"))["status"] == "ok"
    stream_goes_on.set()
    await stage.event("phx_drain")


async def test_stream_that_nobody_finds_elsewhere_is_told_that_it_ends_with_the_process():
    async def stop(reply: LastReply, outcome: Outcome) -> None:
        await reply.write(event(1))
        stage.connection.drain()
        raise RunestoneError(Reason.UNAVAILABLE, "the gateway is stopping")

    stage = Stage(stop)
    await stage.join()
    await stage.push("chat:stream", {"request": REQUEST}, "2")
    (failed,) = await stage.event("stream:error")
    assert failed["status"] == 503
