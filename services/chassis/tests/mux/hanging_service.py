"""A process of its own that answers `Unary` with its number and hangs in `Stream` after one message; to be killed."""

import asyncio
import os
import sys

import grpc

from chassis.health import Facts
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.server import Server
from chassis.tracing import Tracing


async def name(request, context):
    return b"%d" % os.getpid()


async def hang(request, context):
    yield b"begun"
    await asyncio.Event().wait()


def add_acts(_servicer, server):
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(name, bytes, bytes),
        "Stream": grpc.unary_stream_rpc_method_handler(hang, bytes, bytes),
    }
    server.add_registered_method_handlers("test.Acts", handlers)


async def main(address: str) -> None:
    server = Server(facts=Facts(), tracing=Tracing("t"), metrics=Metrics(), log=get_logger("t"))
    server.add(add_acts, None, "test.Acts")
    await server.start(address)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1]))
