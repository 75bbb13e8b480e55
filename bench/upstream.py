"""An upstream that costs almost nothing: fixed chat completions over HTTP/1.1, unary or as a stream of 50 events.

Run as `python -m bench.upstream PORT`. The model's name says how: `unary` is answered by its `stream` member, a model that
ends in `paced` sends one event each 20 ms, any other all at once.
"""

import asyncio
import json
import sys

import httptools
import uvloop

EVENTS = 50
PACE = 0.020


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_800_000_000,
        "model": "m",
        "choices": [choice],
    }
    return b"data: " + json.dumps(document).encode() + b"\n\n"


STREAM = [
    _chunk({"role": "assistant", "content": ""}),
    *(_chunk({"content": f" word{number}"}) for number in range(EVENTS - 3)),
    _chunk({}, "stop"),
    (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1800000000,"model":"m","choices":[],'
        b'"usage":{"prompt_tokens":150,"completion_tokens":47,"total_tokens":197}}\n\ndata: [DONE]\n\n'
    ),
]
UNARY = json.dumps({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1_800_000_000, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "word " * 75}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 150, "completion_tokens": 75, "total_tokens": 225},
}).encode()  # fmt: skip
UNARY_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(UNARY)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


BURST = STREAM_HEAD + b"".join(map(_framed, STREAM)) + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._tasks: set[asyncio.Task[None]] = set()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        compact = self._body.replace(b" ", b"")
        if b'"stream":true' not in compact:
            self._transport.write(UNARY_HEAD + UNARY)
        elif b'paced"' not in compact:
            self._transport.write(BURST)
        else:
            task = asyncio.create_task(self._send_paced())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        for task in self._tasks:
            task.cancel()

    async def _send_paced(self) -> None:
        self._transport.write(STREAM_HEAD)
        for event in STREAM:
            self._transport.write(_framed(event))
            await asyncio.sleep(PACE)
        self._transport.write(b"0\r\n\r\n")


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
