"""One generation for all who are in a room, whichever edge they are connected to."""

import asyncio

import pytest
from room_stage import until

from chassis.errors import Reason, RunestoneError
from runestone.provider.v1.provider_pb2 import ControlRequest

ASK = {"request": {"model": "simulated", "messages": []}}


async def join(client, key, **payload):
    status, response = await client.join({"key": key, **payload})
    assert status == "ok", response
    return client


@pytest.fixture
async def edges(make_edge):
    return make_edge("edge-1"), make_edge("edge-2")


async def start(client, calls, **payload):
    """Asks, and returns the stream and its id."""
    status, response = await client.push("chat:stream", ASK | payload)
    assert status == "ok", response
    return response["stream_id"], calls.streams[response["stream_id"]]


async def test_all_members_of_all_edges_read_the_same_answer_which_is_asked_for_once(edges, calls):
    ann = await join(edges[0].client(), "ann")
    bob = await join(edges[0].client(), "bob")
    eve = await join(edges[1].client(), "eve")
    dan = await join(edges[1].client(), "dan")
    stream_id, stream = await start(ann, calls, note={"question": "why?"})
    stream.grow("a", "b")
    await until(lambda: eve.chunks(stream_id))
    stream.grow("c")
    stream.finish()
    for client in (ann, bob, eve, dan):
        await until(lambda client=client: client.events("stream:complete"))
        assert client.chunks(stream_id) == ["a", "b", "c"]
        assert client.seqs(stream_id) == [1, 2, 3]
        events = [event for event, _ in client.listener.told if event.startswith("stream:")]
        assert events == ["stream:started", *["stream:chunk"] * 3, "stream:complete"]
        (started,) = client.events("stream:started")
        assert (started["from"], started["model"], started["note"]) == ("ann", "simulated", {"question": "why?"})
        assert "api_key" not in str(client.listener.told)
    assert calls.asked == 1
    assert stream.reads == 1, "the other edge reads it once for all of its members"


async def test_who_joins_while_it_runs_gets_it_from_the_beginning(edges, calls):
    ann = await join(edges[0].client(), "ann")
    stream_id, stream = await start(ann, calls)
    stream.grow("a", "b")
    await until(lambda: len(ann.chunks(stream_id)) == 2)
    bob = await join(edges[0].client(), "bob")
    eve = await join(edges[1].client(), "eve")
    for client in (bob, eve):
        await until(lambda client=client: client.chunks(stream_id) == ["a", "b"])
    stream.grow("c")
    stream.finish()
    for client in (ann, bob, eve):
        await until(lambda client=client: client.events("stream:complete"))
        assert client.chunks(stream_id) == ["a", "b", "c"]


async def test_who_comes_back_goes_on_behind_what_it_has_on_either_edge(edges, calls):
    ann = await join(edges[0].client(), "ann")
    stream_id, stream = await start(ann, calls)
    stream.grow("a", "b", "c")
    await until(lambda: len(ann.chunks(stream_id)) == 3)
    ann.vanish()
    for edge in edges:
        again = await join(edge.client(), "ann", resume={stream_id: 2})
        have = len(stream.events)
        await until(lambda again=again, have=have: again.seqs(stream_id) == list(range(3, have + 1)))
        stream.grow("more")
        await until(lambda again=again: len(again.seqs(stream_id)) == len(stream.events) - 2)
        assert again.seqs(stream_id) == list(range(3, len(stream.events) + 1))
    stream.finish()
    await until(lambda: again.events("stream:complete"))
    assert calls.asked == 1


async def test_a_stream_that_is_over_or_not_the_rooms_is_resumed_for_the_one_who_has_a_part_of_it(edges, calls):
    ann = await join(edges[0].client(), "ann")
    stream_id, stream = await start(ann, calls)
    stream.grow("a", "b")
    stream.finish()
    await until(lambda: ann.events("stream:complete"))
    bob = await join(edges[1].client(), "bob")
    back = await join(edges[1].client(), "back", resume={stream_id: 1, "req_unknown": 4})
    await until(lambda: back.events("stream:complete"))
    assert back.seqs(stream_id) == [2]
    assert not bob.events("stream:chunk")


async def test_what_there_is_not_is_looked_for_once(edges, calls):
    """It is no stream that begins this moment: whoever resumes it had a part of it."""
    ann = await join(edges[0].client(), "ann", resume={f"req_unknown_{number}": 4 for number in range(3)})
    await until(lambda: len(ann.events("stream:error")) == 3, patience=10)
    assert {told["status"] for told in ann.events("stream:error")} == {404}
    assert len(calls.messages) == 3


async def test_the_generation_goes_on_for_the_others_when_who_asked_leaves(edges, calls):
    ann = await join(edges[0].client(), "ann")
    bob = await join(edges[0].client(), "bob")
    eve = await join(edges[1].client(), "eve")
    stream_id, stream = await start(ann, calls)
    stream.grow("a")
    await ann.leave()
    stream.grow("b")
    stream.finish()
    for client in (bob, eve):
        await until(lambda client=client: client.events("stream:complete"))
        assert client.chunks(stream_id) == ["a", "b"]


async def test_the_others_go_on_to_the_end_when_the_edge_that_runs_it_dies(edges, calls):
    ann = await join(edges[0].client(), "ann")
    eve = await join(edges[1].client(), "eve")
    stream_id, stream = await start(ann, calls)
    stream.grow("a")
    await until(lambda: eve.chunks(stream_id))
    await edges[0].rooms.__aexit__(None, None, None)
    stream.grow("b")
    stream.finish()
    await until(lambda: eve.events("stream:complete"))
    assert eve.chunks(stream_id) == ["a", "b"]


async def test_a_reader_that_does_not_read_holds_up_nobody_and_catches_up(make_edge, calls):
    edge = make_edge(max_buffer=2048)
    ann, slow = await join(edge.client(), "ann"), await join(edge.client(), "slow")
    await until(lambda: slow.presence and ann.presence)
    stream_id, stream = await start(ann, calls)
    slow.listener.reads.clear()
    slow.listener.buffered = 4096
    for n in range(50):
        stream.grow(f"{n}" * 100)
    await until(lambda: len(ann.chunks(stream_id)) == 50)
    assert slow.chunks(stream_id) == []
    slow.listener.reads.set()
    await until(lambda: len(slow.chunks(stream_id)) == 50)
    stream.grow("last")
    stream.finish()
    await until(lambda: slow.events("stream:complete"))
    assert slow.seqs(stream_id) == list(range(1, 52))


async def test_what_is_no_longer_kept_one_reads_for_itself(make_edge, calls, monkeypatch):
    monkeypatch.setattr("gateway_edge.rooms.streams.MAX_BYTES", 4096)
    edge = make_edge()
    ann = await join(edge.client(), "ann")
    stream_id, stream = await start(ann, calls)
    for n in range(200):
        stream.grow(f"{n}" * 10)
        await asyncio.sleep(0)
    await until(lambda: len(ann.chunks(stream_id)) == 200)
    late = await join(edge.client(), "late")
    await until(lambda: len(late.chunks(stream_id)) == 200)
    stream.grow("last")
    stream.finish()
    await until(lambda: late.events("stream:complete") and ann.events("stream:complete"))
    assert late.seqs(stream_id) == ann.seqs(stream_id) == list(range(1, 202))
    assert stream.reads == 1


async def test_any_member_who_may_controls_it_for_all_and_all_are_told_by_whom(edges, calls):
    ann = await join(edges[0].client(), "ann")
    eve = await join(edges[1].client(), "eve")
    stream_id, stream = await start(ann, calls)
    stream.grow("a")
    await until(lambda: ann.chunks(stream_id) and eve.chunks(stream_id))
    assert (await eve.push("stream:control", {"stream_id": stream_id, "action": "pause"}))[0] == "ok"
    await until(lambda: ann.events("stream:paused") and eve.events("stream:paused"))
    stream.grow("b")
    for text in ("one", "another"):
        await ann.push("room:message", text)
        await until(lambda text=text: eve.events("room:message") and eve.events("room:message")[-1]["body"] == text)
    assert ann.chunks(stream_id) == eve.chunks(stream_id) == ["a"]
    await ann.push("stream:control", {"stream_id": stream_id, "action": "resume"})
    await until(lambda: len(ann.chunks(stream_id)) == len(eve.chunks(stream_id)) == 2)
    assert calls.passed == [stream_id] * 2, "each edge lets pass what it held back, wherever it was paused"
    await eve.push("stream:control", {"stream_id": stream_id, "action": "cancel"})
    for client in (ann, eve):
        (told,) = await until(lambda client=client: client.events("stream:cancelled"))
        assert (told["stream_id"], told["by"]) == (stream_id, "eve")
    actions = [action for _, _, action in calls.controls]
    assert actions == [ControlRequest.ACTION_PAUSE, ControlRequest.ACTION_RESUME, ControlRequest.ACTION_CANCEL]
    await until(lambda: not any(edge.rooms.open("acme", "lobby").streams for edge in edges))
    status, response = await ann.push("stream:control", {"stream_id": stream_id, "action": "pause"})
    assert (status, response["status"]) == ("error", 404)


async def test_who_may_not_control_may_do_so_with_what_it_asked_itself(make_edge, calls):
    edge = make_edge()
    speaker, ann = await join(edge.client(key="speaker"), "speaker"), await join(edge.client(), "ann")
    own, _ = await start(speaker, calls)
    others, stream = await start(ann, calls)
    await until(lambda: len(speaker.events("stream:started")) == 2)
    status, response = await speaker.push("stream:control", {"stream_id": others, "action": "cancel"})
    assert (status, response["error"]["code"]) == ("error", "room_action_not_allowed")
    assert (await speaker.push("stream:control", {"stream_id": own, "action": "cancel"}))[0] == "ok"
    stream.finish()
    await until(lambda: ann.events("stream:complete") and ann.events("stream:cancelled"))


async def test_a_stream_of_another_room_is_none_of_its_members_business(make_edge, calls):
    edge = make_edge()
    ann = await join(edge.client("room:one"), "ann")
    eve = await join(edge.client("room:two"), "eve")
    stream_id, stream = await start(ann, calls)
    status, response = await eve.push("stream:control", {"stream_id": stream_id, "action": "cancel"})
    assert (status, response["status"]) == ("error", 404)
    assert not calls.controls
    stream.grow("secret")
    await until(lambda: ann.chunks(stream_id))
    assert not eve.events("stream:started") and not eve.events("stream:chunk")


async def test_a_control_that_fails_changes_nothing(make_edge, calls):
    ann = await join(make_edge().client(), "ann")
    stream_id, stream = await start(ann, calls)
    calls.control_error = RunestoneError(Reason.UNAVAILABLE, "away")
    status, response = await ann.push("stream:control", {"stream_id": stream_id, "action": "pause"})
    assert (status, response["status"]) == ("error", 503)
    stream.grow("a")
    await until(lambda: ann.chunks(stream_id))
    assert not ann.events("stream:paused")


async def test_what_is_refused_only_who_asked_hears_of(edges, calls):
    ann, eve = await join(edges[0].client(), "ann"), await join(edges[1].client(), "eve")
    status, response = await ann.push("chat:stream", {"request": {"model": "refused"}})
    assert (status, response["status"]) == ("error", 400)
    await ann.push("room:message", "next")
    await until(lambda: eve.events("room:message"))
    assert not eve.events("stream:started") and not ann.events("stream:error")


async def test_a_stream_that_nobody_can_be_told_of_is_ended(make_edge, calls, service):
    ann = await join(make_edge().client(), "ann")
    service.is_down = True
    status, response = await ann.push("chat:stream", ASK)
    assert (status, response["error"]["code"]) == ("error", "rooms_unavailable")
    await until(lambda: calls.controls)
    assert calls.controls[0][2] == ControlRequest.ACTION_CANCEL
    assert calls.ended == ["req_1"]


async def test_a_stream_that_only_this_edge_knows_is_paused_and_cancelled_here(make_edge, calls):
    """Its note is not kept, because cache-svc was full, say."""
    ann = await join(make_edge().client(), "ann")
    stream_id, stream = await start(ann, calls)
    calls.control_error = RunestoneError(Reason.NOT_FOUND, "no such stream")
    assert (await ann.push("stream:control", {"stream_id": stream_id, "action": "pause"}))[0] == "ok"
    stream.grow("a")
    await until(lambda: ann.events("stream:paused"))
    assert not ann.chunks(stream_id)
    assert (await ann.push("stream:control", {"stream_id": stream_id, "action": "cancel"}))[0] == "ok"
    await until(lambda: ann.events("stream:cancelled"))
    assert calls.ended == [stream_id]


async def test_a_failure_is_told_to_all_as_what_it_is(edges, calls):
    ann, eve = await join(edges[0].client(), "ann"), await join(edges[1].client(), "eve")
    stream_id, stream = await start(ann, calls)
    stream.grow("a")
    await until(lambda: eve.chunks(stream_id))
    stream.finish(RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut"))
    for client in (ann, eve):
        (failed,) = await until(lambda client=client: client.events("stream:error"))
        assert (failed["stream_id"], failed["status"]) == (stream_id, 502)
        assert not client.events("stream:complete")


async def test_a_follower_finds_a_stream_that_is_not_known_yet(edges, calls, service):
    ann, eve = await join(edges[0].client(), "ann"), await join(edges[1].client(), "eve")
    service.gate.clear()
    ann.connection.received('["1","9","room:lobby","chat:stream",{"request":{"model":"simulated"}}]')
    stream = await until(lambda: calls.streams.get("req_1"))
    stream.is_known = False
    service.gate.set()
    await until(lambda: sum(message.method == "GET" for message in calls.messages) > 1)
    stream.is_known = True
    stream.grow("a")
    stream.finish()
    await until(lambda: eve.events("stream:complete"))
    assert eve.chunks("req_1") == ["a"]


async def test_a_document_is_the_senders_reply_and_told_to_all(edges, calls):
    ann, eve = await join(edges[0].client(), "ann"), await join(edges[1].client(), "eve")
    status, response = await ann.push("chat:message", {"request": {"model": "whole"}, "note": "hm"})
    assert (status, response["whole"]) == ("ok", True)
    (answer,) = await until(lambda: eve.events("room:answer"))
    assert (answer["from"], answer["note"], answer["answer"]) == ("ann", "hm", response)


async def test_as_many_streams_run_in_a_room_as_may(make_edge, calls, monkeypatch):
    monkeypatch.setattr("gateway_edge.rooms.streams.MOST", 1)
    ann = await join(make_edge().client(), "ann")
    _, stream = await start(ann, calls)
    status, response = await ann.push("chat:stream", ASK)
    assert (status, response["error"]["code"]) == ("error", "too_many_streams")
    stream.finish()
    await until(lambda: ann.events("stream:complete"))


async def test_history_tells_what_was_asked_and_how_it_ended(edges, calls):
    ann = await join(edges[0].client(), "ann")
    _, stream = await start(ann, calls)
    stream.grow("a")
    stream.finish()
    await until(lambda: ann.events("stream:complete"))
    late = edges[1].client()
    async with asyncio.timeout(5):
        while True:
            _, joined = await late.join({"key": "late"})
            if len(joined["history"]) == 2:
                break
    assert [heard["event"] for heard in joined["history"]] == ["stream:started", "stream:ended"]
    assert joined["history"][1]["payload"]["status"] == "complete"
    assert not late.events("stream:chunk")
