"""Containers are stopped and started as an engine does it: SIGTERM, in time, with nothing lost; and they say how they are."""

import asyncio
import os
import signal
import uuid
from typing import Any

import aiohttp
import pytest

from containers.mesh import AUTH, ContainerMesh
from containers.part import Part

pytestmark = pytest.mark.timeout(300)

SERVICES = ("cache", "ratelimit", "provider", "audit", "edge")
LATE = "sim/words=3,latency=2s"
TIMEOUT = aiohttp.ClientTimeout(total=40)


def question(**members: Any) -> dict[str, Any]:
    return {"model": LATE, "messages": [{"role": "user", "content": uuid.uuid4().hex}], **members}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_container_that_is_stopped_ends_by_itself_and_no_running_call_fails(
    mesh: ContainerMesh, service: str
) -> None:
    """Half of the calls began before it was told to stop, half come while it does."""
    part = mesh.of(service)[-1]
    async with aiohttp.ClientSession(mesh.url, headers=AUTH, timeout=TIMEOUT) as client:

        async def ask(delay: float) -> int:
            await asyncio.sleep(delay)
            async with client.post("/v1/chat/completions", json=question()) as answer:
                await answer.read()
                return answer.status

        asked = [asyncio.create_task(ask(number / 4)) for number in range(16)]
        await asyncio.sleep(1)
        code = await asyncio.to_thread(part.stop)
        assert code == 0, part.log()
        assert {await call for call in asked} == {200}
    part.start()
    await asyncio.to_thread(mesh.wait_until_whole)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_answers_the_question_that_its_image_has_the_engine_ask(mesh: ContainerMesh, service: str) -> None:
    """Asked now rather than in half a minute; and one whose process stands still is no longer well."""
    part = mesh.of(service)[0]
    assert ask_health(part) == 0
    stand_still(part, "STOP")
    try:
        assert ask_health(part) == 1
    finally:
        stand_still(part, "CONT")
    mesh.wait_until_whole()


def ask_health(part: Part) -> int:
    kind, *words = part.engine.image.attrs["Config"]["Healthcheck"]["Test"]
    assert kind == "CMD", "no shell is needed"
    return part.run(*words)[0]


def stand_still(part: Part, how: str) -> None:
    """The service's process alone: the engine would ask nothing of a container that is paused."""
    (process,) = [pid for pid, words in part.engine.top(ps_args="-eo pid,args")["Processes"] if " serve " in words]
    os.kill(int(process), getattr(signal, f"SIG{how}"))
