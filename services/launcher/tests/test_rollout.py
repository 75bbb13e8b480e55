"""A snapshot is in force in all parts or in none, and whoever is late is named."""

import asyncio

import pytest

from chassis.config import Settings
from chassis.reload.outcome import Outcome, ReloadError
from chassis.snapshots import Snapshot
from launcher.plan import Part
from launcher.publisher import Publisher, Standing, State
from launcher.rollout import Rollout
from launcher.topology import Node

NEW = Snapshot("new", Settings())
EDGE, CACHE = Node("edge", "none", has_door=True), Node("cache", "none")
PARTS = [
    Part(name=name, node=node, worker=worker, address="", peers={})
    for name, node, worker in [("cache", CACHE, 0), ("edge-0", EDGE, 0), ("edge-1", EDGE, 1)]
]


class Mesh:
    """A publisher, a rollout to three parts, and what those parts do when they are told."""

    def __init__(self, *, patience: float = 10.0) -> None:
        self.publisher = Publisher(Settings())
        self.old = self.publisher.current.version
        self.rollout = Rollout(self.publisher, PARTS, patience=patience)
        self.told: list[State] = []

    async def follow(self, part: Part, *, deaf_to: str = "", refuses: str = "") -> None:
        """A part that reports, but not while `deaf_to` is what it would report."""
        async for state in self.publisher.states():
            self.told.append(state)
            ready = state.candidate.version if state.candidate else ""
            if refuses and ready:
                said = Standing(version=state.current.version, refused=ready, problem=refuses)
            else:
                said = Standing(version=state.current.version, ready=ready)
            if not deaf_to or deaf_to not in (said.version, said.ready):
                self.publisher.note((part.node.name, part.worker), said)


async def roll_out(mesh: Mesh, *followers) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follower) for follower in followers]
        await asyncio.sleep(0)
        try:
            await mesh.rollout.put_in_force(NEW)
        finally:
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()


async def fail(mesh: Mesh, *followers) -> ReloadError:
    with pytest.raises(ExceptionGroup) as raised:
        await roll_out(mesh, *followers)
    (error,) = raised.value.exceptions
    assert isinstance(error, ReloadError)
    return error


async def test_all_make_it_ready_before_any_has_it_in_force():
    mesh = Mesh()
    await roll_out(mesh, *map(mesh.follow, PARTS))
    assert mesh.rollout.parts == {"cache": "new", "edge-0": "new", "edge-1": "new"}
    said = [(state.current.version, state.candidate and state.candidate.version) for state in mesh.told]
    assert said == [(mesh.old, None)] * 3 + [(mesh.old, "new")] * 3 + [("new", None)] * 3


async def test_one_veto_takes_it_back_from_all():
    mesh = Mesh()
    cache, first, second = PARTS
    error = await fail(mesh, mesh.follow(cache), mesh.follow(first), mesh.follow(second, refuses="no such class"))
    assert (error.outcome, error.parts) == (Outcome.REFUSED, {"edge-1": "no such class"})
    assert mesh.publisher.state == State(current=mesh.publisher.current)
    assert set(mesh.rollout.parts.values()) == {mesh.old}


async def test_a_part_that_does_not_answer_is_named_and_nothing_changes():
    mesh = Mesh(patience=0.05)
    cache, first, second = PARTS
    error = await fail(mesh, mesh.follow(cache), mesh.follow(first), mesh.follow(second, deaf_to="new"))
    assert (error.outcome, list(error.parts), error.is_in_force) == (Outcome.INCOMPLETE, ["edge-1"], False)
    assert mesh.publisher.state == State(current=mesh.publisher.current)


async def test_a_part_that_dies_is_waited_for_and_its_successor_follows():
    mesh = Mesh()
    cache, first, second = PARTS

    async def restarted() -> None:
        await asyncio.sleep(0.02)
        await mesh.follow(second)

    await roll_out(mesh, mesh.follow(cache), mesh.follow(first), restarted())
    assert mesh.rollout.parts["edge-1"] == "new"


async def test_a_part_that_falls_silent_after_it_was_ready_is_named_and_follows_later():
    mesh = Mesh(patience=0.05)
    cache, first, _ = PARTS

    async def ready_only() -> None:
        mesh.publisher.note(("edge", 1), Standing(version=mesh.old))
        while mesh.publisher.state.candidate is None:
            await asyncio.sleep(0)
        mesh.publisher.note(("edge", 1), Standing(version=mesh.old, ready="new"))

    error = await fail(mesh, mesh.follow(cache), mesh.follow(first), ready_only())
    assert (error.outcome, list(error.parts), error.is_in_force) == (Outcome.INCOMPLETE, ["edge-1"], True)
    assert mesh.publisher.current is NEW


async def test_a_reload_that_is_cancelled_leaves_no_candidate():
    mesh = Mesh()
    reloading = asyncio.create_task(mesh.rollout.put_in_force(NEW))
    await asyncio.sleep(0)
    assert mesh.publisher.state.candidate is NEW
    reloading.cancel()
    await asyncio.gather(reloading, return_exceptions=True)
    assert mesh.publisher.state == State(current=mesh.publisher.current)
    assert mesh.publisher.current.version == mesh.old
