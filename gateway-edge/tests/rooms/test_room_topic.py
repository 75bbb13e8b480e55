"""`room:<name>` as a client of Phoenix Channels sees it: who may join, what a join is answered with, what may be done."""

import pytest
from room_stage import until


async def test_a_join_is_answered_with_who_one_is_and_what_was_said_before(make_edge):
    edge = make_edge()
    ann = edge.client()
    status, joined = await ann.join({"key": "ann", "meta": {"mood": "fine"}})
    assert status == "ok"
    assert (joined["key"], joined["history"]) == ("ann", [])
    _, said = await ann.push("room:message", {"text": "hello"})
    bob = edge.client()
    _, joined = await bob.join({"key": "bob"})
    (heard,) = joined["history"]
    assert heard["event"] == "room:message"
    assert heard["payload"] == (await until(lambda: ann.events("room:message")))[0]
    assert heard["payload"]["position"] == said["position"] < joined["position"]
    assert (heard["payload"]["from"], heard["payload"]["body"]) == ("ann", {"text": "hello"})
    await until(lambda: set(ann.presence) == set(bob.presence) == {"ann", "bob"})


async def test_who_comes_again_says_what_it_has_and_gets_the_rest(make_edge):
    edge = make_edge()
    ann, bob = edge.client(), edge.client()
    await ann.join({"key": "ann"})
    _, joined = await bob.join({"key": "bob"})
    bob.vanish()
    await until(lambda: "bob" not in ann.presence)
    for text in ("one", "two"):
        await ann.push("room:message", text)
    again = edge.client()
    _, joined = await again.join({"key": "bob", "after": joined["position"]})
    assert [heard["payload"]["body"] for heard in joined["history"]] == ["one", "two"]
    _, joined = await edge.client().join({"history": 1})
    assert [heard["payload"]["body"] for heard in joined["history"]] == ["two"]
    _, joined = await edge.client().join({"history": 0})
    assert joined["history"] == []


@pytest.mark.parametrize(
    ("topic", "payload", "code"),
    [
        ("room:" + "x" * 129, {}, 400),
        ("room:a\nb", {}, 400),
        ("room:a\u200bb", {}, 400),
        ("room:a\u202eb", {}, 400),
        ("room:lobby", {"key": ""}, 400),
        ("room:lobby", {"key": "a\0b"}, 400),
        ("room:lobby", {"key": 3}, 400),
        ("room:lobby", {"meta": [1]}, 400),
        ("room:lobby", {"meta": {"phx_ref": "mine"}}, 400),
        ("room:lobby", {"meta": {"x": "y" * 5000}}, 400),
        ("room:lobby", {"history": "all"}, 400),
        ("room:lobby", {"resume": {"../x": 1}}, 400),
        ("room:lobby", {"resume": {"req_1": -1}}, 400),
        ("room:lobby", {"traceparent": "0" * 129}, 400),
        ("room:lobby", [], 400),
    ],
)
async def test_a_join_that_makes_no_sense_is_refused_saying_why(make_edge, service, topic, payload, code):
    status, response = await make_edge().client(topic).join(payload)
    assert (status, response["status"]) == ("error", code)
    assert response["error"]["message"]
    assert not service.members()


async def test_a_key_joins_the_rooms_of_its_scope_only(make_edge):
    edge = make_edge()
    for name, status in (("lobby", "ok"), ("team-red", "ok"), ("board", "error"), ("lobby2", "error")):
        got, response = await edge.client(f"room:{name}", key="bound").join()
        assert got == status, name
        if got == "error":
            assert (response["status"], response["error"]["code"]) == (403, "room_not_allowed")


async def test_who_may_only_listen_hears_and_does_nothing_else(make_edge):
    edge = make_edge()
    ann, reader = edge.client(), edge.client(key="reader")
    await ann.join({"key": "ann"})
    await reader.join()
    for event in ("room:message", "chat:stream", "chat:message"):
        status, response = await reader.push(event, {"request": {}})
        assert (status, response["status"], response["error"]["code"]) == ("error", 403, "room_action_not_allowed")
    await ann.push("room:message", "hello")
    await until(lambda: reader.events("room:message"))
    assert (await reader.push("presence:update", {"meta": {"is": "reading"}}))[0] == "ok"
    await until(lambda: len(ann.events("presence_diff")) == 2)


async def test_what_rooms_do_not_know_is_refused_and_the_room_goes_on(make_edge):
    ann = make_edge().client()
    await ann.join()
    for event, payload in (("nonsense", {}), ("presence:update", {"meta": 3}), ("stream:control", {"action": "stop"})):
        status, response = await ann.push(event, payload)
        assert (status, response["status"]) == ("error", 400), event
    status, response = await ann.push("room:message", "x" * 140_000)
    assert (status, response["error"]["code"]) == ("error", "message_too_large")
    assert (await ann.push("room:message", "still here"))[0] == "ok"


async def test_rooms_that_cannot_hold_are_not_joined(make_edge):
    status, response = await make_edge(is_shared=False).client().join()
    assert (status, response["error"]["code"]) == ("error", "rooms_not_shared")


async def test_messages_of_one_member_are_heard_in_the_order_they_were_said(make_edge):
    edge = make_edge()
    ann, bob = edge.client(), edge.client()
    await ann.join()
    await bob.join()
    for n in range(30):
        ann.connection.received(f'["1","m{n}","room:lobby","room:message",{n}]')
    heard = await until(lambda: len(got := bob.events("room:message")) == 30 and got)
    assert [payload["body"] for payload in heard] == list(range(30))


async def test_more_messages_than_may_wait_are_refused(make_edge, service):
    ann = make_edge().client()
    await ann.join()
    service.gate.clear()
    for n in range(40):
        ann.connection.received(f'["1","m{n}","room:lobby","room:message",{n}]')
    refused = await until(lambda: [p for p in ann.events("phx_reply") if p["status"] == "error"])
    assert {payload["response"]["status"] for payload in refused} == {503}
    service.gate.set()
    await until(lambda: len(ann.events("room:message")) == 40 - len(refused))


async def test_what_waits_of_one_member_is_bounded_in_bytes_too(make_edge, service):
    ann = make_edge().client()
    await ann.join()
    service.gate.clear()
    for n in range(20):
        ann.connection.received(f'["1","m{n}","room:lobby","room:message","{"x" * 100_000}"]')
    refused = await until(lambda: [p for p in ann.events("phx_reply") if p["status"] == "error"])
    assert {payload["response"]["status"] for payload in refused} == {503}
    service.gate.set()
    await until(lambda: len(ann.events("room:message")) == 20 - len(refused))


async def test_who_leaves_or_vanishes_or_joins_twice_is_there_once_or_not_at_all(make_edge, service):
    edge = make_edge()
    ann, bob = edge.client(), edge.client()
    await ann.join({"key": "ann"})
    await bob.join({"key": "bob"})
    first = await until(lambda: ann.presence.get("bob"))
    await bob.join({"key": "bob"})
    await until(lambda: ann.presence.get("bob") not in (None, first) and len(ann.presence["bob"]) == 1)
    await bob.leave()
    await until(lambda: set(ann.presence) == {"ann"})
    assert service.members() == {"ann"}
    ann.vanish()
    await until(lambda: service.members() == set())


async def test_a_room_that_nobody_could_enter_is_not_kept(make_edge, service, monkeypatch):
    """However long it took to find that out."""
    monkeypatch.setattr("gateway_edge.rooms.rooms.LINGER", 0.05)
    monkeypatch.setattr("gateway_edge.rooms.room.PATIENCE", 0.2)
    edge = make_edge()
    service.is_down = True
    status, response = await edge.client().join()
    assert (status, response["error"]["code"]) == ("error", "rooms_unavailable")
    await until(lambda: not len(edge.rooms))


async def test_who_enters_while_the_room_is_being_closed_stays(make_edge, service, monkeypatch):
    """The one that closes takes those for ghosts that it does not know."""
    monkeypatch.setattr("gateway_edge.rooms.rooms.LINGER", 0.0)
    edge = make_edge()
    for turn in range(10):
        ann = edge.client()
        await ann.join({"key": f"ann {turn}"})
        await ann.leave()
    bob = edge.client()
    await bob.join({"key": "bob"})
    await until(lambda: service.members() == {"bob"} and set(bob.presence) == {"bob"})
    await bob.push("room:message", "still here")
    assert service.members() == {"bob"}
