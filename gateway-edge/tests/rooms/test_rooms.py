"""Rooms in one edge and in two: who is told what, in which order, and what holds when their state is away."""

import asyncio

import orjson
import pytest
import structlog
from phoenix_presence import refs_of, sync_diff, sync_state
from room_stage import until

from chassis.errors import Reason, RunestoneError
from gateway_edge.rooms import room as room_module
from gateway_edge.rooms.rooms import Rooms
from runestone.room.v1 import room_pb2 as pb


async def enter(rooms: Rooms, member, name="lobby", tenant="acme", **options):
    hosted = rooms.open(tenant, name)
    return hosted, await hosted.room.enter(member, **options)


def presence_of(listener):
    """What a client of Phoenix would have."""
    state = {}
    for event, payload in listener.told:
        if event == "presence_state":
            state = sync_state(state, payload)
        elif event == "presence_diff":
            state = sync_diff(state, payload)
    return refs_of(state)


def keys(listener):
    return set(presence_of(listener))


async def test_members_see_each_other_and_first_of_all_who_is_there(make_rooms, make_member):
    rooms, ann, bob = make_rooms(), make_member("ann", {"mood": "fine"}), make_member("bob")
    await enter(rooms, ann)
    await enter(rooms, bob)
    await until(lambda: keys(ann.listener) == keys(bob.listener) == {"ann", "bob"})
    assert [event for event, _ in ann.listener.told] == ["presence_state", "presence_diff"]
    assert [event for event, _ in bob.listener.told] == ["presence_state"]
    (state,) = bob.listener.events("presence_state")
    assert state["ann"]["metas"] == [{"phx_ref": ann.phx_ref, "mood": "fine"}]


async def test_members_of_two_edges_see_each_other(make_rooms, make_member):
    ann, bob = make_member("ann"), make_member("bob")
    await enter(make_rooms("edge-1"), ann)
    hosted, _ = await enter(make_rooms("edge-2"), bob)
    await until(lambda: keys(ann.listener) == keys(bob.listener) == {"ann", "bob"})
    hosted.room.leave(bob)
    await until(lambda: keys(ann.listener) == {"ann"})


async def test_an_update_changes_the_ref_and_names_the_one_before(make_rooms, make_member):
    rooms, ann, bob = make_rooms(), make_member("ann"), make_member("bob")
    hosted, _ = await enter(rooms, ann)
    await enter(rooms, bob)
    old = ann.phx_ref
    await until(lambda: bob.listener.frames)
    assert await hosted.room.update(ann, {"mood": "better"}) == ann.phx_ref != old
    (diff,) = await until(lambda: bob.listener.events("presence_diff"))
    assert diff["joins"]["ann"]["metas"] == [{"phx_ref": ann.phx_ref, "phx_ref_prev": old, "mood": "better"}]
    assert diff["leaves"]["ann"]["metas"] == [{"phx_ref": old}]


async def test_everybody_is_told_what_was_said_in_one_order_the_sender_too(make_rooms, make_member):
    ann, bob = make_member("ann"), make_member("bob")
    one, _ = await enter(make_rooms("edge-1"), ann)
    other, _ = await enter(make_rooms("edge-2"), bob)
    says = [(one, ann), (other, bob)] * 5
    positions = await asyncio.gather(
        *(hosted.room.say(member, "room:message", {"n": n}) for n, (hosted, member) in enumerate(says))
    )
    heard = await until(lambda: len(got := ann.listener.events("room:message")) == 10 and got)
    assert [payload["position"] for payload in heard] == sorted(positions)
    assert heard == await until(lambda: len(got := bob.listener.events("room:message")) == 10 and got)


async def test_who_joins_is_told_the_last_messages_and_who_comes_again_only_those_behind(make_rooms, make_member):
    rooms, ann, bob = make_rooms(), make_member("ann"), make_member("bob")
    hosted, _ = await enter(rooms, ann)
    positions = [await hosted.room.say(ann, "room:message", {"n": n}) for n in range(5)]
    _, welcome = await enter(rooms, bob, most=3)
    assert [heard.position for heard in welcome.history] == positions[-3:]
    assert welcome.position > positions[-1]
    _, again = await enter(rooms, make_member("bob"), most=50, after=positions[1])
    assert [heard.position for heard in again.history] == positions[2:]
    assert not bob.listener.events("room:message")


async def test_an_edge_that_comes_to_a_room_knows_what_was_said_before(make_rooms, make_member):
    ann = make_member("ann")
    hosted, _ = await enter(make_rooms("edge-1"), ann)
    await hosted.room.say(ann, "room:message", {"body": "early"})
    _, welcome = await enter(make_rooms("edge-2"), make_member("bob"), most=10)
    assert [orjson.loads(heard.payload)["body"] for heard in welcome.history] == ["early"]


async def test_rooms_of_tenants_have_nothing_to_do_with_each_other(make_rooms, make_member):
    """Names that would be one if they were put together anyhow."""
    rooms, members = make_rooms(), {}
    places = [("acme", "x"), ("acm", "ex"), ("acme:x", "y"), ("acme", "x:y"), ("acme\0x", "y"), ("acme", "x\0y")]
    for tenant, name in places:
        members[tenant, name] = make_member(f"{tenant}/{name}")
        hosted, _ = await enter(rooms, members[tenant, name], name, tenant)
        await hosted.room.say(members[tenant, name], "room:message", {"secret": tenant})
    for (tenant, name), member in members.items():
        await until(lambda member=member: member.listener.events("room:message"))
        assert keys(member.listener) == {f"{tenant}/{name}"}
        assert [payload["secret"] for payload in member.listener.events("room:message")] == [tenant]


async def test_a_watch_that_breaks_or_ends_is_taken_up_where_it_was(make_rooms, make_member, service):
    ann, bob = make_member("ann"), make_member("bob")
    hosted, _ = await enter(make_rooms("edge-1"), ann)
    other, _ = await enter(make_rooms("edge-2"), bob)
    for error in (None, RunestoneError(Reason.UNAVAILABLE, "reset")):
        said = len(ann.listener.events("room:message"))
        service.break_watches(error)
        await hosted.room.say(ann, "room:message", {"n": 1})
        await until(lambda said=said: len(ann.listener.events("room:message")) == said + 1)
    assert not ann.listener.events("presence_diff")[1:], "nobody came or went"
    await until(lambda: ann.listener.events("room:message") == bob.listener.events("room:message"))
    assert other.room.position == hosted.room.position


async def test_a_service_that_forgot_everything_is_told_again_and_nobody_is_told_of_it(
    make_rooms, make_member, service
):
    ann, bob = make_member("ann"), make_member("bob")
    hosted, _ = await enter(make_rooms("edge-1"), ann)
    await enter(make_rooms("edge-2"), bob)
    await until(lambda: keys(ann.listener) == {"ann", "bob"})
    service.restart()
    await until(lambda: service.members() == {"ann", "bob"})
    await hosted.room.say(ann, "room:message", {"n": 1})
    await until(lambda: bob.listener.events("room:message"))
    await until(lambda: keys(ann.listener) == keys(bob.listener) == {"ann", "bob"})


async def test_a_member_taken_for_lost_is_put_in_again(make_rooms, make_member, service):
    ann = make_member("ann")
    await enter(make_rooms(), ann)
    kept = service.room()
    del kept.members[ann.ref]
    kept.change(left=ann.ref)
    await until(lambda: service.members() == {"ann"})
    assert not ann.listener.events("presence_diff")


async def test_while_the_state_is_away_nobody_joins_and_members_keep_what_they_know(
    make_rooms, make_member, service, monkeypatch
):
    monkeypatch.setattr(room_module, "PATIENCE", 0.3)
    rooms, ann = make_rooms(), make_member("ann")
    hosted, _ = await enter(rooms, ann)
    await until(lambda: keys(ann.listener) == {"ann"})
    service.is_down = True
    service.break_watches(RunestoneError(Reason.UNAVAILABLE, "reset"))
    await until(lambda: not hosted.room.is_followed)
    with pytest.raises(RunestoneError, match="rooms are not available") as refused:
        await enter(rooms, make_member("bob"))
    assert (refused.value.reason, refused.value.code) == (Reason.UNAVAILABLE, "rooms_unavailable")
    with pytest.raises(RunestoneError, match="rooms are not available"):
        await hosted.room.say(ann, "room:message", {})
    assert keys(ann.listener) == {"ann"}
    service.is_down = False
    bob = make_member("bob")
    await until(lambda: hosted.room.is_followed)
    await enter(rooms, bob)
    await until(lambda: keys(ann.listener) == keys(bob.listener) == {"ann", "bob"})
    assert service.members() == {"ann", "bob"}


async def test_who_left_while_the_state_was_away_is_gone_when_it_is_back(make_rooms, make_member, service):
    rooms, ann, bob = make_rooms(), make_member("ann"), make_member("bob")
    hosted, _ = await enter(rooms, ann)
    await enter(rooms, bob)
    service.is_down = True
    rooms.leave(hosted, bob)
    assert await hosted.room.upkeep.wait_until_done(0.05) is False
    service.is_down = False
    await until(lambda: service.members() == {"ann"})
    await until(lambda: keys(ann.listener) == {"ann"})


async def test_a_join_that_is_given_up_leaves_nobody_behind(make_rooms, make_member, service):
    rooms, ann, bob = make_rooms(), make_member("ann"), make_member("bob")
    hosted, _ = await enter(rooms, ann)
    service.gate.clear()
    joining = asyncio.create_task(enter(rooms, bob))
    await until(lambda: service.asked.count("Enter") == 2)
    joining.cancel()
    await asyncio.gather(joining, return_exceptions=True)
    assert joining.cancelled() and bob.ref not in hosted.room.crowd
    service.gate.set()
    await until(lambda: service.asked[-1] == "Leave" and service.members() == {"ann"})


async def test_a_member_that_entered_after_it_had_left_is_taken_out_again(make_rooms, make_member, service):
    """A join that was given up may come through behind its own leaving."""
    ann = make_member("ann")
    await enter(make_rooms("edge-1"), ann)
    ghosts = [pb.Member(ref=f"late{n}", key="ghost", meta=b'{"phx_ref":"x"}', edge="edge-1") for n in range(2)]
    kept = service.room()
    kept.members["late0"] = ghosts[0]
    kept.change(entered=ghosts[0])
    await until(lambda: service.members() == {"ann"} and keys(ann.listener) == {"ann"})
    kept.members["late1"] = ghosts[1]
    service.break_watches()
    await until(lambda: service.members() == {"ann"} and keys(ann.listener) == {"ann"})


async def test_a_room_is_closed_when_nobody_is_left_and_its_watch_with_it(
    make_rooms, make_member, service, monkeypatch
):
    monkeypatch.setattr("gateway_edge.rooms.rooms.LINGER", 0.05)
    rooms, ann = make_rooms(), make_member("ann")
    hosted, _ = await enter(rooms, ann)
    rooms.leave(hosted, ann)
    await until(lambda: not len(rooms) and not service.room().watchers)
    assert service.members() == set()


async def test_a_room_holds_as_many_members_as_it_may(make_rooms, make_member, monkeypatch):
    monkeypatch.setattr("gateway_edge.rooms.rooms.MOST_MEMBERS", 1)
    rooms = make_rooms()
    await enter(rooms, make_member("ann"))
    with pytest.raises(RunestoneError, match="full") as refused:
        await enter(rooms, make_member("bob"))
    assert refused.value.reason is Reason.OVERLOADED


async def test_an_edge_serves_as_many_rooms_as_it_may(make_rooms, monkeypatch):
    monkeypatch.setattr("gateway_edge.rooms.rooms.MOST_ROOMS", 2)
    rooms = make_rooms()
    for name in ("a", "b", "a"):
        rooms.open("acme", name)
    with pytest.raises(RunestoneError, match="as many rooms as it may"):
        rooms.open("acme", "c")


async def test_many_who_come_together_are_told_together(make_rooms, make_member):
    """Else a thousand joins would be a million messages."""
    rooms, members = make_rooms(), [make_member(f"m{n}") for n in range(200)]
    await asyncio.gather(*(enter(rooms, member) for member in members))
    await until(lambda: all(len(keys(member.listener)) == 200 for member in members))
    assert max(len(member.listener.frames) for member in members) < 20


async def test_what_nobody_of_this_version_said_is_passed_over(make_rooms, make_member, service):
    ann = make_member("ann")
    hosted, _ = await enter(make_rooms(), ann)
    for payload in (b"", b"nonsense", b'{"told": 3}', b'{"other": {}}', b"[]"):
        service.room().change(message=pb.Message(event="room:message", payload=payload))
    await hosted.room.say(ann, "room:message", {"n": 1})
    assert [payload["n"] for payload in await until(lambda: ann.listener.events("room:message"))] == [1]


async def test_a_watch_that_crashes_is_logged_and_taken_up_again(make_rooms, make_member, service, monkeypatch):
    """A fault in what is told must not leave a room that looks alive and hears nothing."""
    ann = make_member("ann")
    hosted, _ = await enter(make_rooms(), ann)
    monkeypatch.setattr("gateway_edge.rooms.watching.LONGEST_PAUSE", 0.02)
    with structlog.testing.capture_logs() as logs:
        monkeypatch.setattr(hosted.room, "take_changes", lambda _changes: 1 / 0)
        await hosted.room.say(ann, "room:message", {"n": 1})
        await until(lambda: logs)
        monkeypatch.undo()
    assert logs[0]["event"] == "room watch crashed"
    assert [payload["n"] for payload in await until(lambda: ann.listener.events("room:message"))] == [1]
