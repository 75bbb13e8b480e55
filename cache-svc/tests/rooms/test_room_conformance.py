"""What every place for rooms promises, over all of them; two replicas where the store is shared."""

import asyncio
import itertools
from contextlib import aclosing

import pytest
from rooms.room_views import LONG, PATIENT, View, presence, watching

from cache_svc.rooms.store import Kind, Standing, room_key
from chassis.errors import Reason, RunestoneError

rooms = (room_key("tests", str(number)) for number in itertools.count())


@pytest.fixture
def room():
    return next(rooms)


@pytest.fixture
def store(replicas):
    return replicas[0]


async def say(store, room, content, *, is_kept=True, request_id=""):
    return await store.publish(room, content, is_kept=is_kept, request_id=request_id)


async def stand(store, room, after=0, history=0, edge="edge-1"):
    """How the room stands for who watches now, and leaves."""
    async with aclosing(store.watch(room, edge, after=after, history=history, seconds=LONG)) as letters:
        standing = await anext(letters)
        assert isinstance(standing, Standing)
        return standing


async def reason_of(doing):
    with pytest.raises(RunestoneError) as caught:
        await doing
    return caught.value.reason


async def test_a_watcher_is_told_how_the_room_stands_and_then_what_changes_at_every_replica(replicas, room):
    await replicas[0].enter(room, presence("anna"))
    async with watching(replicas[0], room) as one, watching(replicas[1], room, "edge-2") as other:
        for view in (one, other):
            assert view.members == {"anna": b"anna|"}
        await replicas[1].enter(room, presence("bert", "edge-2"))
        await replicas[0].leave(room, "anna")
        position = await say(replicas[1], room, b"hello")
        for view in (one, other):
            await view.until(lambda view=view: view.said)
            assert (view.members, view.said) == ({"bert": b"bert|"}, {position: b"hello"})
            assert view.watches == 1
        assert one.positions == other.positions


async def test_positions_rise_through_all_changes(replicas, room):
    positions = []
    for number in range(5):
        positions.append(await replicas[number % 2].enter(room, presence(f"m{number}")))
        positions.append(await say(replicas[(number + 1) % 2], room, b"hello"))
    assert positions[0] > 0 and positions == sorted(set(positions))


async def test_a_member_that_changes_is_told_of_as_one_that_was_there(store, room):
    async with watching(store, room) as view:
        await store.enter(room, presence("anna", content=b"away"))
        await store.enter(room, presence("anna", content=b"back"))
        await view.until(lambda: len(view.positions) == 2)
        assert view.members == {"anna": b"anna|back"}
    assert (await stand(store, room)).members == (b"anna|back",)


async def test_what_is_done_twice_is_told_once(replicas, room):
    async with watching(replicas[0], room) as view:
        for replica in replicas:
            await replica.enter(room, presence("anna"))
        for replica in replicas:
            await replica.leave(room, "anna")
        await say(replicas[0], room, b"end")
        await view.until(lambda: view.said)
        assert len(view.positions) == 3


async def test_a_request_that_is_sent_again_is_said_once(replicas, room):
    async with watching(replicas[1], room) as view:
        first = await say(replicas[0], room, b"hello", request_id="r-1")
        assert await say(replicas[1], room, b"hello", request_id="r-1") == first
        other = await say(replicas[1], room, b"hello", request_id="r-2")
        await view.until(lambda: other in view.said)
        assert view.said == {first: b"hello", other: b"hello"}


async def test_a_request_id_is_its_rooms_own(store, room):
    other = next(rooms)
    await say(store, room, b"hello", request_id="r-1")
    await say(store, other, b"there", request_id="r-1")
    assert [message.content for message in (await stand(store, other, history=9)).messages] == [b"there"]


async def test_who_comes_later_is_told_the_last_of_what_is_kept(replicas, room):
    for number in range(6):
        await say(replicas[0], room, b"%d" % number, is_kept=number != 4)
    for history, heard in [(0, []), (2, [b"3", b"5"]), (200, [b"0", b"1", b"2", b"3", b"5"])]:
        standing = await stand(replicas[1], room, history=history)
        assert [message.content for message in standing.messages] == heard
        assert not standing.is_behind and all(message.kind is Kind.SAID for message in standing.messages)


async def test_who_watches_anew_is_told_every_message_that_he_missed(replicas, room):
    """Also those that are not a part of the history, in the order in which they were said."""
    await say(replicas[0], room, b"before")
    seen = (await stand(replicas[0], room)).position
    said = [await say(replicas[number % 2], room, b"%d" % number, is_kept=number % 2 == 0) for number in range(6)]
    standing = await stand(replicas[1], room, after=seen, history=200)
    assert [(message.position, message.content) for message in standing.messages] == [
        (position, b"%d" % number) for number, position in enumerate(said)
    ]
    assert not standing.is_behind and standing.position >= said[-1]


async def test_who_was_away_for_too_long_is_told_so(small_replicas, room):
    first = await say(small_replicas[0], room, b"0")
    said = [await say(small_replicas[0], room, b"%d" % number) for number in range(1, 9)]
    standing = await stand(small_replicas[1], room, after=first)
    assert [message.position for message in standing.messages] == said[-4:]
    assert standing.is_behind
    assert not (await stand(small_replicas[1], room, after=said[-5])).is_behind
    assert not (await stand(small_replicas[1], room)).is_behind


async def test_what_is_not_kept_pushes_nothing_out_of_the_history(small_replicas, room):
    await say(small_replicas[0], room, b"kept")
    for number in range(9):
        await say(small_replicas[0], room, b"%d" % number, is_kept=False)
    standing = await stand(small_replicas[1], room, history=200)
    assert [message.content for message in standing.messages] == [b"kept"]


async def test_history_is_bounded_in_bytes(small_replicas, room):
    for number in range(4):
        await say(small_replicas[0], room, b"%d" % number * 1_000)
    standing = await stand(small_replicas[1], room, history=200)
    assert [message.content[:1] for message in standing.messages] == [b"2", b"3"]
    await say(small_replicas[0], room, b"x" * 5_000)
    assert [len(message.content) for message in (await stand(small_replicas[0], room, history=9)).messages] == [5_000]


async def test_a_room_that_nobody_remembers_has_lost_what_was_said(store, room):
    assert (await stand(store, room, after=5)).is_behind
    fresh = await stand(store, next(rooms))
    assert not fresh.is_behind and fresh.position > 0


async def test_a_quiet_room_is_not_behind_for_who_comes_back(store, room):
    seen = (await stand(store, room)).position
    assert not (await stand(store, room, after=seen)).is_behind
    await store.enter(room, presence("anna"))
    assert not (await stand(store, room, after=seen)).is_behind


async def test_one_member_too_many_is_refused_and_a_change_of_one_is_not(small_replicas, room):
    for name in ("a", "b", "c"):
        await small_replicas[0].enter(room, presence(name))
    assert await reason_of(small_replicas[1].enter(room, presence("d"))) is Reason.OVERLOADED
    await small_replicas[1].enter(room, presence("c", content=b"changed"))
    await small_replicas[1].leave(room, "a")
    await small_replicas[0].enter(room, presence("d"))
    assert len((await stand(small_replicas[0], room)).members) == 3


async def test_too_much_said_in_a_second_is_refused_and_the_next_second_takes_more(small_replicas, room):
    async def say_much(number):
        try:
            await say(small_replicas[number % 2], room, b"x")
        except RunestoneError as error:
            return error.reason
        return None

    outcomes = [await say_much(number) for number in range(60)]
    assert Reason.OVERLOADED in outcomes and set(outcomes) == {Reason.OVERLOADED, None}
    assert await reason_of(say(small_replicas[0], room, b"x" * 100_001)) is Reason.OVERLOADED
    async with asyncio.timeout(PATIENT):
        while await say_much(0):
            await asyncio.sleep(0.02)


async def test_rooms_do_not_hear_each_other(replicas, room):
    other = next(rooms)
    async with watching(replicas[0], room) as view:
        await replicas[1].enter(other, presence("anna"))
        await say(replicas[1], other, b"elsewhere")
        await say(replicas[1], room, b"here")
        await view.until(lambda: view.said)
        assert (view.members, list(view.said.values())) == ({}, [b"here"])


async def test_any_bytes_can_be_said(replicas, room):
    content = bytes(range(256)) * 1_000
    async with watching(replicas[0], room) as view:
        await say(replicas[1], room, content)
        await view.until(lambda: view.said)
        assert list(view.said.values()) == [content]
    assert [message.content for message in (await stand(replicas[1], room, history=1)).messages] == [content]


async def test_a_watcher_is_sent_away_after_its_time(store, room):
    view = View(store, room)
    async with asyncio.timeout(PATIENT):
        await view.watch_once(seconds=0.05)
    assert view.watches == 1


async def test_a_close_ends_every_watch_and_lets_none_begin(store, room):
    view = View(store, room)
    watch = asyncio.create_task(view.watch_once())
    await view.until(lambda: view.watches)
    store.close()
    await asyncio.wait_for(watch, PATIENT)
    with pytest.raises(RunestoneError) as caught:
        await anext(store.watch(room, "edge-1", after=0, history=0, seconds=LONG))
    assert (caught.value.reason, caught.value.may_have_begun) == (Reason.UNAVAILABLE, False)


async def test_between_how_it_stands_and_what_changes_nothing_is_lost_or_doubled(replicas, room):
    """Members come and go at one replica while watches begin and end at the other."""

    async def come_and_go(number):
        for turn in range(15):
            await replicas[number % 2].enter(room, presence(f"m{number}", content=b"%d" % turn))
            if turn % 3 == 0:
                await replicas[(number + 1) % 2].leave(room, f"m{number}")
            await say(replicas[number % 2], room, b"%d %d" % (number, turn))

    async with (
        watching(replicas[0], room, history=200) as whole,
        watching(replicas[1], room, "edge-2", 0.03, 200) as cut,
    ):
        await asyncio.gather(*(come_and_go(number) for number in range(4)))
        last = await say(replicas[0], room, b"end")
        await whole.until(lambda: last in whole.said)
        await cut.until(lambda: last in cut.said)
        assert whole.members == cut.members
        assert whole.said == cut.said and len(whole.said) == 61
    assert set(whole.members) == {f"m{number}" for number in range(4)}


def test_no_choice_of_names_makes_two_rooms_one():
    names = [("a", "bc"), ("ab", "c"), ("", "abc"), ("a\0", "bc"), ("a", "\0bc"), ("a:b", "c"), ("a", "b:c")]
    assert len({room_key(*pair) for pair in names}) == len(names)
