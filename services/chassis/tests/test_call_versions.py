"""A call runs under one snapshot in every service that follows snapshots."""

from contextlib import asynccontextmanager

import pytest

from chassis.client import Channel
from chassis.config import Settings
from chassis.context import NO_CALL, CallContext, bind, current
from chassis.errors import Reason, RunestoneError
from chassis.plain import PlainLink
from chassis.replicas import open_link
from chassis.runtime import Service
from chassis.server import MAX_MESSAGE
from chassis.snapshots import Snapshot
from chassis.testing import running
from chassis.tracing import Tracing
from runestone.cache.v1 import cache_pb2, cache_pb2_grpc
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub


class Echo(cache_pb2_grpc.CacheServiceServicer):
    """Answers with the edition of the call's snapshot, and the version that the call carries."""

    def __init__(self, editions):
        self._editions = editions

    async def LookUp(self, request, context):
        said = f"{self._editions.of_call()} {current().version}".encode()
        return cache_pb2.LookUpResponse(hit=cache_pb2.Answer(body=said))


async def build(runtime):
    editions = runtime.snapshots.follow(lambda snapshot: f"made of {snapshot.version}", keeps_past=True)
    runtime.serve(cache_pb2_grpc.add_CacheServiceServicer_to_server, Echo(editions), "runestone.cache.v1.CacheService")


@pytest.fixture(params=["plain", "session"])
def echoing(request):
    """A running service, and a way to call it under a version."""

    @asynccontextmanager
    async def run(*, carries_version=True):
        async with running(Service("cache", build), Settings()) as (runtime, _):
            address = runtime.place.listen
            link = PlainLink(address) if request.param == "plain" else open_link(address, MAX_MESSAGE)
            channel = Channel(address, tracing=Tracing("t"), timeout=5, link=link, carries_version=carries_version)
            async with channel:
                stub = CacheServiceStub(channel)

                async def call(version):
                    bind(CallContext(version=version))
                    try:
                        return (await stub.LookUp(cache_pb2.LookUpRequest())).hit.body.decode()
                    finally:
                        bind(NO_CALL)

                yield runtime.snapshots, call

    return run


async def test_a_call_keeps_the_snapshot_that_it_began_with(echoing):
    async with echoing() as (feed, call):
        old = feed.current.version
        feed.publish(Snapshot("new", Settings()))
        assert await call(old) == f"made of {old} {old}"
        assert await call("new") == "made of new new"


async def test_a_call_without_a_version_runs_under_what_is_in_force(echoing):
    async with echoing() as (feed, call):
        feed.publish(Snapshot("new", Settings()))
        assert await call("") == "made of new "


async def test_only_who_follows_is_told(echoing):
    async with echoing(carries_version=False) as (feed, call):
        assert await call("whatever") == f"made of {feed.current.version} "


async def test_a_replica_that_never_sees_the_snapshot_begins_nothing(echoing, monkeypatch):
    """So that the call may go to another replica."""
    monkeypatch.setattr("chassis.snapshots.feed.PATIENCE", 0.01)
    async with echoing() as (_, call):
        with pytest.raises(RunestoneError) as raised:
            await call("ghost")
    assert (raised.value.reason, raised.value.may_have_begun) == (Reason.UNAVAILABLE, False)
