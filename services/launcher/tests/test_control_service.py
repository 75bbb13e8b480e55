import asyncio

import pytest

from chassis.client import Channel, closing
from chassis.config import decode, parse_settings
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from chassis.tracing import Tracing
from launcher.control import Publisher, serving_control
from runestone.control.v1.control_pb2 import WatchRequest
from runestone.control.v1.control_pb2_grpc import ControlServiceStub

FIRST = parse_settings("providers: [{name: o, kind: openai, api_key: sk-very-secret}]")
SECOND = parse_settings("cache: {enabled: false}")


@pytest.fixture
async def control(data_dir):
    """The publisher and a stub of its service."""
    publisher, address = Publisher(FIRST), f"unix:{data_dir}/c.sock"
    async with (
        serving_control(publisher, address, Metrics()),
        Channel(address, tracing=Tracing("test"), timeout=10) as channel,
    ):
        yield publisher, ControlServiceStub(channel)


async def test_a_watcher_gets_the_snapshot_in_force_and_each_later_one(control):
    publisher, stub = control
    async with closing(stub.Watch(WatchRequest(service="cache"))) as responses:
        first = await anext(responses)
        publisher.publish(SECOND)
        second = await anext(responses)
    assert first.version != second.version == publisher.current.version
    assert (decode(first.document).cache.enabled, decode(second.document).cache.enabled) == (True, False)


async def test_a_known_snapshot_is_not_sent_again(control):
    publisher, stub = control
    request = WatchRequest(service="cache", known_version=publisher.current.version)
    async with closing(stub.Watch(request)) as responses:
        waiting = asyncio.ensure_future(anext(responses))
        await asyncio.sleep(0)
        publisher.publish(FIRST)  # equal settings change nothing
        publisher.publish(SECOND)
        assert (await waiting).version == publisher.current.version


async def test_a_service_sees_only_its_sections(control):
    _, stub = control
    documents = {}
    for service in ("cache", "edge", "provider"):
        async with closing(stub.Watch(WatchRequest(service=service))) as responses:
            documents[service] = (await anext(responses)).document
    assert [name for name, text in documents.items() if b"sk-very-secret" in text] == ["provider"]
    assert decode(documents["cache"]).providers == []


@pytest.mark.parametrize("service", ["", "ghost", "launcher"])
async def test_a_name_that_is_not_in_the_topology_is_refused(control, service):
    _, stub = control
    with pytest.raises(RunestoneError) as raised:
        async with closing(stub.Watch(WatchRequest(service=service))) as responses:
            await anext(responses)
    assert raised.value.reason is Reason.PERMISSION_DENIED


async def test_a_slow_watcher_gets_the_newest_snapshot_only(control):
    publisher, _ = control
    watching = publisher.snapshots_after("")
    assert (await anext(watching)).settings == FIRST
    publisher.publish(SECOND)
    publisher.publish(third := parse_settings("cache: {max_size: 3}"))
    assert (await anext(watching)).settings == third
    await watching.aclose()
