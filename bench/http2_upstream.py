"""`python -m bench.http2_upstream PORT CERTIFICATE KEY`: `bench.upstream` behind TLS, which also speaks HTTP/2 to who asks for it.

Events come each as one DATA frame, as they do as one chunk over HTTP/1.1.
"""

import asyncio
import ssl
import sys
from typing import cast

import uvloop
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from bench.upstream import PACE, STREAM, UNARY, Upstream

HEAD = [(b":status", b"200"), (b"content-type", b"application/json")]


class Shared(asyncio.Protocol):
    """One connection of many streams."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._bodies: dict[int, bytes] = {}
        self._paced: set[asyncio.Task[None]] = set()
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, RequestReceived):
                self._bodies[event.stream_id] = b""
            elif isinstance(event, DataReceived):
                self._bodies[event.stream_id] += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self._answer(event.stream_id, self._bodies.pop(event.stream_id).replace(b" ", b""))
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        for task in self._paced:
            task.cancel()

    def _answer(self, stream: int, compact: bytes) -> None:
        self._h2.send_headers(stream, HEAD)
        if b'"stream":true' not in compact:
            self._h2.send_data(stream, UNARY, end_stream=True)
        elif b'paced"' not in compact:
            for event in STREAM:
                self._h2.send_data(stream, event)
            self._h2.end_stream(stream)
        else:
            task = asyncio.create_task(self._send_paced(stream))
            self._paced.add(task)
            task.add_done_callback(self._paced.discard)

    async def _send_paced(self, stream: int) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, event in enumerate(STREAM):
            await asyncio.sleep(began + number * PACE - loop.time())
            self._h2.send_data(stream, event, end_stream=number + 1 == len(STREAM))
            self._flush()

    def _flush(self) -> None:
        self._transport.write(self._h2.data_to_send())


class Agreed(asyncio.Protocol):
    """Whichever of the two TLS has agreed on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        is_shared = transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        chosen = Shared() if is_shared else Upstream()
        cast("asyncio.Transport", transport).set_protocol(chosen)
        chosen.connection_made(transport)


async def main(port: int, certificate: str, key: str) -> None:
    """Listens until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    server = await asyncio.get_running_loop().create_server(Agreed, "127.0.0.1", port, ssl=context, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), *sys.argv[2:4]))
