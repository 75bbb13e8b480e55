"""What we say of Envoy's rate limit service is what Envoy says of it: its own protos, in a process of their own, agree."""

import asyncio
import json
import os
import sys
from pathlib import Path

import msgspec
import pytest

from chassis.config import Settings
from chassis.config.rate_domains import RateDomain
from chassis.config.schema import RateLimit
from chassis.testing import running
from ratelimit_svc.service import SERVICE
from runestone.envoy.v3 import rls_pb2

OFFICIAL = Path(__file__).parents[2] / ".tools" / "envoy-protos"
NEWER = {("RateLimitDescriptor", "is_negative_hits")}  # than the protos on PyPI; Envoy has it since 1.38


async def run(*arguments):
    if not (OFFICIAL / "envoy").is_dir():
        pytest.skip("Envoy's own protos are not here; `make test` installs them")
    environment = {**os.environ, "PYTHONPATH": str(OFFICIAL), "PYTHONWARNINGS": "ignore"}
    program = str(Path(__file__).with_name("envoy_client.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(50):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out)


def ours(messages):
    for message in messages:
        yield message
        yield from ours(message.nested_types)


def local(described):
    return described.full_name.removeprefix("envoy.service.ratelimit.v3.")


async def test_every_message_field_and_value_has_the_number_and_type_that_envoy_gave_it():
    official = await run("describe")
    [service] = rls_pb2.DESCRIPTOR.services_by_name.values()
    methods = [[method.name, method.input_type.name, method.output_type.name] for method in service.methods]
    assert [service.full_name, methods] == official["service"]
    messages = list(ours(rls_pb2.DESCRIPTOR.message_types_by_name.values()))
    assert len(messages) == 8
    for message in messages:
        fields = {
            field.name: [field.number, field.type, field.is_repeated]
            for field in message.fields
            if (message.name, field.name) not in NEWER
        }
        assert fields.items() <= official["messages"][local(message)].items()
    enums = [*rls_pb2.DESCRIPTOR.enum_types_by_name.values(), *(enum for one in messages for enum in one.enum_types)]
    assert {local(enum): {value.name: value.number for value in enum.values} for enum in enums} == official["enums"]


async def test_a_client_with_envoys_own_stub_is_understood_and_understands():
    descriptor = {"key": "client", "rate_limit": {"unit": "week", "requests_per_unit": 2}}
    domains = msgspec.convert([{"domain": "front", "descriptors": [descriptor]}], list[RateDomain])
    async with running(SERVICE, Settings(ratelimit=RateLimit(domains=domains))) as (runtime, _):
        answers = await run("ask", runtime.place.listen, "3")
    assert answers == [[1, 1, "WEEK", "1"], [1, 0, "WEEK", "0"], [2, 0, "WEEK", "0"]]
