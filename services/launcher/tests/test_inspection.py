"""What the launcher says of a part that it cannot ask."""

from chassis.config import Settings
from chassis.runtime import Runtime, Service
from chassis.testing import running
from launcher.inspection import STARTING, Inspector
from launcher.plan import Part
from launcher.topology import Node


async def build(runtime: Runtime) -> None:
    """Nothing of its own."""


def part_at(address: str) -> Part:
    return Part(name="cache", node=Node("cache", "none"), worker=0, address=address, peers={})


async def test_a_part_that_never_answered_is_starting(data_dir):
    async with Inspector([part_at(f"unix:{data_dir}/s")]) as inspector:
        (status,) = await inspector.statuses()
    assert (status.is_ready, status.trouble) == (False, STARTING)


async def test_a_part_that_answered_once_and_is_gone_does_not_answer():
    async with running(Service("cache", build), Settings()) as (runtime, _):
        inspector = Inspector([part_at(runtime.place.listen)])
        await inspector.__aenter__()
        assert (await inspector.statuses())[0].is_ready
    (status,) = await inspector.statuses()
    await inspector.__aexit__(None)
    assert status.trouble == "does not answer (UNAVAILABLE)"
