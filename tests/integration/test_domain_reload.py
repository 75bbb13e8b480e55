"""ratelimit-svc as a process of its own: what Envoy may ask for changes with the file."""

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager

import grpc
from grpc.aio import AioRpcError

from chassis.testing import short_directory
from runestone.envoy.v3.rls_pb2 import RateLimitDescriptor, RateLimitRequest, RateLimitResponse
from runestone.envoy.v3.rls_pb2_grpc import RateLimitServiceStub

PATIENT = 40.0  # seconds for a process to come up, and for a file to be noticed, on a busy machine
REQUEST = RateLimitRequest(
    domain="front", descriptors=[RateLimitDescriptor(entries=[RateLimitDescriptor.Entry(key="all", value="x")])]
)


def configure(requests):
    limit = f"{{unit: day, requests_per_unit: {requests}}}"
    return f"ratelimit: {{domains: [{{domain: front, descriptors: [{{key: all, rate_limit: {limit}}}]}}]}}\n"


@asynccontextmanager
async def serving(directory):
    """The service, and a stub."""
    address = f"unix:{directory}/s.sock"
    options = ("--listen", address, "--config", str(directory / "runestone.yaml"), "--data-dir", str(directory))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ratelimit_svc", *options, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield RateLimitServiceStub(channel)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENT) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def limit_becomes(stub, requests):
    """Waits until this is the limit that is in force."""
    async with asyncio.timeout(PATIENT):
        while True:
            try:
                response = await stub.ShouldRateLimit(REQUEST, wait_for_ready=True, timeout=PATIENT)
            except AioRpcError as error:
                assert error.code() is grpc.StatusCode.UNAVAILABLE, error  # noqa: PT017
                continue
            if response.statuses[0].current_limit.requests_per_unit == requests:
                return response
            await asyncio.sleep(0.05)


async def test_limits_follow_the_file():
    with short_directory() as directory:
        file = directory / "runestone.yaml"
        file.write_text(configure(1_000_000))
        async with serving(directory) as stub:
            await limit_becomes(stub, 1_000_000)
            file.write_text(configure(0))
            assert (await limit_becomes(stub, 0)).overall_code == RateLimitResponse.OVER_LIMIT
            file.write_text(configure(5_000_000))
            assert (await limit_becomes(stub, 5_000_000)).overall_code == RateLimitResponse.OK
