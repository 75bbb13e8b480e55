"""Rooms under anything that may happen to them: all who are there know the same at its end, and every stream is read without a gap."""

import asyncio
import random

import orjson
import pytest
from phoenix_presence import refs_of
from room_stage import until

from chassis.errors import Reason, RunestoneError


def true_state(service):
    """Who is in the room, as its members should know it."""
    state = {}
    for member in service.room().members.values():
        state.setdefault(member.key, {"metas": []})["metas"].append(orjson.loads(member.meta))
    return refs_of(state)


class Storm:
    """What may happen to a room that edges share. Each step is a method; `there` are the clients that are in."""

    def __init__(self, edges, service, seed):
        self.chance = random.Random(seed)
        self.there = []
        self._edges = edges
        self._service = service

    async def step(self):
        about_all = [self.come, self.come, self.break_watches, self.forget, self.be_away]
        about_one = [self.go, self.vanish, self.change, self.change] if self.there else []
        await self.chance.choice(about_all + about_one)()

    def pick(self):
        return self.there.pop(self.chance.randrange(len(self.there)))

    async def come(self):
        client = self.chance.choice(self._edges).client()
        if (await client.join({"key": self.chance.choice(["ann", "bob", "eve"])}))[0] == "ok":
            self.there.append(client)

    async def go(self):
        await self.pick().leave()

    async def vanish(self):
        self.pick().vanish()

    async def change(self):
        await self.chance.choice(self.there).push("presence:update", {"meta": {"n": self.chance.random()}})

    async def break_watches(self):
        self._service.break_watches(self.chance.choice([None, RunestoneError(Reason.UNAVAILABLE, "reset")]))

    async def forget(self):
        self._service.restart()

    async def be_away(self):
        self._service.is_down = True
        self._service.break_watches(RunestoneError(Reason.UNAVAILABLE, "reset"))
        if self.there:
            self.pick().vanish()
        await asyncio.sleep(0.02)
        self._service.is_down = False


@pytest.mark.parametrize("seed", range(12))
async def test_everybody_knows_who_is_there_whatever_happened(make_edge, service, seed):
    """Members come, go, vanish and change, watches break, the service forgets everything or is away for a while."""
    storm = Storm([make_edge(f"edge-{n}") for n in range(3)], service, seed)
    for _ in range(40):
        await storm.step()
        if storm.chance.random() < 0.5:
            await asyncio.sleep(0)
    await storm.come()
    await until(lambda: len(service.room().members) == len(storm.there), 20)
    await until(lambda: all(client.presence == true_state(service) for client in storm.there), 20)


@pytest.mark.parametrize("seed", range(12))
async def test_every_reader_has_every_event_once_and_in_order(make_edge, calls, monkeypatch, seed):
    """Readers come late, read slowly, lose their connection and come back on another edge; little is kept for them."""
    monkeypatch.setattr("gateway_edge.rooms.streams.MAX_BYTES", 2048)
    chance, edges = random.Random(seed), [make_edge(f"edge-{n}", max_buffer=1024) for n in range(2)]
    asker = edges[0].client()
    await asker.join({"key": "asker"})
    _, asked = await asker.push("chat:stream", {"request": {"model": "simulated"}})
    stream_id, read = asked["stream_id"], {}
    stream = calls.streams[stream_id]
    here = {"asker": asker}

    async def come(name, **payload):
        client = here[name] = chance.choice(edges).client()
        status, response = await client.join({"key": name, **payload})
        assert status == "ok", response

    for number in range(60):
        stream.grow(*(f"{number}" * chance.randrange(1, 30) for _ in range(chance.randrange(4))))
        name = chance.choice(list(here))
        match chance.randrange(6):
            case 0 if len(here) < 8:
                await come(f"reader {number}")
            case 1 if name != "asker":
                client = here[name]
                client.vanish()
                read.setdefault(name, []).extend(client.seqs(stream_id))
                last = read[name][-1] if read[name] else 0
                await come(name, resume={stream_id: last})
            case 2:
                here[name].listener.reads.clear()
            case 3:
                here[name].listener.reads.set()
        await asyncio.sleep(0)
    stream.finish()
    for name, client in here.items():
        client.listener.reads.set()
        await until(lambda client=client: client.events("stream:complete"))
        seqs = read.get(name, []) + client.seqs(stream_id)
        assert seqs == list(range(1, len(stream.events) + 1)), name
    assert calls.asked == 1
