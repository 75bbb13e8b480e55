"""A process that begins a call, says that its first events have come, and reads on until it is killed.

python subscriber.py <address> <plain | session> <the request, as JSON>
"""

import asyncio
import sys

from google.protobuf import json_format

from chassis.client import Channel
from chassis.plain import PlainLink
from chassis.replicas import open_link
from chassis.server import MAX_MESSAGE
from chassis.tracing import Tracing
from runestone.provider.v1.provider_pb2 import CallRequest
from runestone.provider.v1.provider_pb2_grpc import ProviderServiceStub


async def main(address: str, way: str, request: str) -> None:
    link = PlainLink(address) if way == "plain" else open_link(address, MAX_MESSAGE)
    async with Channel(address, tracing=Tracing("test"), timeout=60, link=link) as channel:
        async for message in ProviderServiceStub(channel).Call(json_format.Parse(request, CallRequest())):
            if any(event.HasField("data") for event in message.events):
                print("begun", flush=True)  # noqa: T201  what its parent waits for


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
