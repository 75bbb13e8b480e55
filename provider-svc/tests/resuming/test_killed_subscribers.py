"""Row 2 of the fault table, seen from provider-svc: an edge is killed, and what it has begun is somebody else's to finish."""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from google.protobuf import json_format

SCRIPT = Path(__file__).with_name("subscriber.py")
PATIENCE = 30.0  # seconds
LONG = 60.0


@asynccontextmanager
async def subscribing(rig, way, model, **options):
    """A process that has begun a call and reads it; killed when the context is left, if not before."""
    address = rig.runtime.place.listen
    request = json_format.MessageToJson(rig.request(model, call_id="one", **options), indent=None)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), address, way, request, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE):
            assert await process.stdout.readline() == b"begun\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("way", ["plain", "session"])
async def test_what_a_killed_process_has_begun_is_followed_on_and_settled_by_who_comes_back(rig, way):
    async with subscribing(rig, way, "fake/words=300,pace=10ms", resume=LONG) as process:
        process.kill()
        await process.wait()
        await rig.until(lambda: rig.gauge("runestone_streams_left") == 1)
    heard = await rig.attach("one")
    assert (heard.reason, len(heard.frames), heard.settles) == ("", 303, True)
    assert rig.fake.requests == 1


@pytest.mark.parametrize("way", ["plain", "session"])
async def test_who_follows_already_when_it_is_killed_settles(rig, way):
    async with subscribing(rig, way, "fake/words=300,pace=10ms", resume=LONG) as process:
        following = asyncio.create_task(rig.attach("one"))
        await rig.until(lambda: rig.gauge("runestone_rpc_server_running") == 2)
        process.kill()
        await process.wait()
    heard = await following
    assert (heard.reason, heard.settles) == ("", True)


@pytest.mark.parametrize("way", ["plain", "session"])
async def test_without_a_window_the_providers_socket_is_closed_with_its_reader(rig, way):
    async with subscribing(rig, way, "fake/words=1000,pace=20ms") as process:
        exchange = await rig.fake.exchange()
        process.kill()
        await exchange.wait_closed()
