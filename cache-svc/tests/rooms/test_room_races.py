"""Replicas, edges and watchers that come, go and die in any order: in the end everybody knows the same, and it is true."""

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rooms.room_views import View, presence, watching

from cache_svc.rooms.feeds import Feeds
from cache_svc.rooms.memory import MemoryRooms
from cache_svc.rooms.store import GRACE, room_key
from cache_svc.store import Bounds
from chassis.testing import FakeClock

ROOM = room_key("tests", "race")
EDGES = 6
TURNS = 40


class Edge:
    """An edge that watches, lets members in and out, and now and then loses its watch. `members` are those that it has in the room."""

    def __init__(self, number, replicas, chance):
        self.name = f"edge-{number}"
        self._replicas = replicas
        self._chance = chance
        self.view = View(chance.choice(replicas), ROOM, self.name)
        self.members = {}
        self.said = {}
        self._task = asyncio.create_task(self.view.run())

    def kill(self):
        """The watch ends, and begins anew at another replica."""
        self._task.cancel()
        self.view._store = self._chance.choice(self._replicas)
        self._task = asyncio.create_task(self.view.run(self._chance.choice([0.02, 600])))

    async def act(self):
        for turn in range(TURNS):
            replica, ref = self._chance.choice(self._replicas), f"{self.name}-{self._chance.randrange(5)}"
            match self._chance.randrange(8):
                case 0 | 1 | 2:
                    who = presence(ref, self.name, b"%d" % turn)
                    await replica.enter(ROOM, who)
                    self.members[ref] = who.content
                case 3 | 4:
                    await replica.leave(ROOM, ref)
                    self.members.pop(ref, None)
                case 5 | 6:
                    content = f"{self.name} {turn}".encode()
                    is_kept = self._chance.random() < 0.5
                    position = await replica.publish(ROOM, content, is_kept=is_kept, request_id=content.decode())
                    self.said[position] = content
                case _:
                    self.kill()

    async def end(self):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.mark.parametrize("seed", range(4))
async def test_every_watcher_ends_with_what_the_edges_did(medium, seed):
    """Four replicas; what each watcher was told is every message once, in one order, and the members that there are."""
    chance = random.Random(seed)
    replicas = await medium.make(count=4)
    async with watching(replicas[0], ROOM, "observer") as observer:
        edges = [Edge(number, replicas, random.Random(chance.random())) for number in range(EDGES)]
        try:
            await asyncio.gather(*(edge.act() for edge in edges))
            last = await replicas[0].publish(ROOM, b"end", is_kept=True, request_id="")
            expected = {ref: content for edge in edges for ref, content in edge.members.items()}
            said = {position: content for edge in edges for position, content in edge.said.items()} | {last: b"end"}
            for view in (observer, *(edge.view for edge in edges)):
                await view.until(lambda view=view: view.position >= last)
                assert view.members == expected
            assert observer.said == said and observer.watches == 1
            for edge in edges:
                heard = edge.view.said
                assert heard.items() <= said.items()
                assert any(edge.view.was_behind) or set(heard) == {at for at in said if at >= min(heard)}
        finally:
            await asyncio.gather(*(edge.end() for edge in edges))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "leave", "say", "open", "close", "advance"]), st.integers(0, 2), st.integers(0, 2)
    ),
    max_size=40,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
async def test_members_are_those_of_edges_that_watch_or_did_within_the_grace(steps):
    """Against a model, by a clock of its own."""
    clock = FakeClock()
    rooms = MemoryRooms(Bounds(max_entries=9, max_bytes=9_000_000), clock, Feeds())
    model, leases, open_watches = {}, {}, {}
    for what, edge, number in steps:
        name, ref = f"edge-{edge}", f"m-{number}"
        if what == "enter":
            await rooms.enter(ROOM, presence(ref, name))
            model[ref] = name
            if name not in open_watches:
                leases.setdefault(name, clock.monotonic() + GRACE)
        elif what == "leave":
            await rooms.leave(ROOM, ref)
            model.pop(ref, None)
        elif what == "say":
            await rooms.publish(ROOM, b"x", is_kept=True, request_id="")
        elif what == "open" and name not in open_watches:
            open_watches[name] = rooms.watch(ROOM, name, after=0, history=0, seconds=1e9)
            await anext(open_watches[name])
            leases.pop(name, None)
        elif what == "close" and name in open_watches:
            await open_watches.pop(name).aclose()
            leases[name] = clock.monotonic() + GRACE
        elif what == "advance":
            clock.advance(GRACE * (number + 1) / 2)
            rooms.drop_expired()
            over = {name for name, until in leases.items() if until <= clock.monotonic()}
            leases = {name: until for name, until in leases.items() if name not in over}
            model = {ref: name for ref, name in model.items() if name not in over}
        watch = rooms.watch(ROOM, "observer", after=0, history=0, seconds=1e9)
        standing = await anext(watch)
        await watch.aclose()
        assert {content.partition(b"|")[0].decode() for content in standing.members} == set(model)
    for watch in open_watches.values():
        await watch.aclose()
