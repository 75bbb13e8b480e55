import pytest

from chassis.client import Channel, closing
from chassis.config import decode, parse_settings
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from chassis.snapshots import Snapshot, snapshot_version
from chassis.tracing import Tracing
from launcher.control import serving_control
from launcher.publisher import Publisher, Standing
from runestone.control.v1.control_pb2 import ReportRequest, WatchRequest
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


def snapshot_of(settings):
    return Snapshot(snapshot_version(settings), settings)


async def test_a_watcher_is_told_what_is_in_force_and_each_change(control):
    publisher, stub = control
    async with closing(stub.Watch(WatchRequest(service="cache"))) as responses:
        first = await anext(responses)
        publisher.propose(snapshot_of(SECOND))
        proposed = await anext(responses)
        publisher.put_in_force(snapshot_of(SECOND))
        second = await anext(responses)
    assert decode(first.document).cache.enabled
    assert (proposed.version, proposed.document) == (first.version, b"")
    assert not decode(proposed.candidate.document).cache.enabled
    assert (second.version, second.document) == (proposed.candidate.version, b"")  # it has the document
    assert not second.HasField("candidate")


async def test_what_a_watcher_knows_is_not_sent_again(control):
    publisher, stub = control
    request = WatchRequest(service="cache", known_version=publisher.current.version)
    async with closing(stub.Watch(request)) as responses:
        first = await anext(responses)
    assert (first.version, first.document, list(first.past)) == (publisher.current.version, b"", [])


async def test_a_candidate_that_is_withdrawn_is_sent_again_when_it_comes_back(control):
    publisher, stub = control
    async with closing(stub.Watch(WatchRequest(service="cache"))) as responses:
        await anext(responses)
        publisher.propose(snapshot_of(SECOND))
        await anext(responses)
        publisher.withdraw()
        assert not (await anext(responses)).HasField("candidate")
        publisher.put_in_force(snapshot_of(SECOND))
        assert not decode((await anext(responses)).document).cache.enabled


async def test_who_starts_anew_is_told_what_calls_may_still_carry(control):
    publisher, stub = control
    versions = [publisher.current.version]
    for size in range(1, 4):
        snapshot = snapshot_of(parse_settings(f"cache: {{max_size: {size}}}"))
        versions.append(snapshot.version)
        publisher.put_in_force(snapshot)
    async with closing(stub.Watch(WatchRequest(service="cache"))) as responses:
        first = await anext(responses)
    assert ([past.version for past in first.past], first.version) == (versions[1:3], versions[3])
    assert [decode(past.document).cache.max_size for past in first.past] == [1, 2]


async def test_a_report_is_kept_until_the_next_candidate(control):
    publisher, stub = control
    report = ReportRequest(
        service="edge", worker=1, version="v1", ready_version="v2", refused_version="v3", problem="why"
    )
    await stub.Report(report)
    assert publisher.standings == {("edge", 1): Standing(version="v1", ready="v2", refused="v3", problem="why")}
    publisher.propose(snapshot_of(SECOND))
    assert publisher.standings == {}


async def test_a_service_sees_only_its_sections(control):
    publisher, stub = control
    publisher.put_in_force(snapshot_of(SECOND))
    publisher.propose(snapshot_of(FIRST))
    documents = {}
    for service in ("cache", "edge", "provider"):
        async with closing(stub.Watch(WatchRequest(service=service))) as responses:
            said = await anext(responses)
            documents[service] = said.SerializeToString()
    assert [name for name, text in documents.items() if b"sk-very-secret" in text] == ["provider"]


@pytest.mark.parametrize("service", ["", "ghost", "launcher"])
async def test_a_name_that_is_not_in_the_topology_is_refused(control, service):
    _, stub = control
    with pytest.raises(RunestoneError) as watched:
        async with closing(stub.Watch(WatchRequest(service=service))) as responses:
            await anext(responses)
    with pytest.raises(RunestoneError) as reported:
        await stub.Report(ReportRequest(service=service))
    assert watched.value.reason is reported.value.reason is Reason.PERMISSION_DENIED


async def test_a_slow_watcher_gets_the_newest_state_only(control):
    publisher, _ = control
    watching = publisher.states()
    assert (await anext(watching)).current.settings == FIRST
    publisher.put_in_force(snapshot_of(SECOND))
    publisher.put_in_force(third := snapshot_of(parse_settings("cache: {max_size: 3}")))
    assert (await anext(watching)).current is third
    await watching.aclose()
