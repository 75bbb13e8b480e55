"""An upstream that costs almost nothing: fixed chat completions over HTTP/1.1, unary or as a stream of 50 words.

Run with the port to listen on. A model whose name ends in `paced` sends one word each 20 ms, any other all at once.
`GET /asked` says how many completions were asked for, so that a cache that was meant to answer can be told from one that did.
"""

import asyncio
import json
import sys
from typing import cast

import httptools
import uvloop

WORDS = 50
PACE = 0.020  # seconds between two words


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
    _chunk({"role": "assistant", "content": " word0"}),
    *(_chunk({"content": f" word{number}"}) for number in range(1, WORDS)),
    _chunk({}, "stop")
    + b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1800000000,"model":"m","choices":[],'
    b'"usage":{"prompt_tokens":150,"completion_tokens":50,"total_tokens":200}}\n\ndata: [DONE]\n\n',
]
UNARY = json.dumps({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1_800_000_000, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": " word" * 75}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 150, "completion_tokens": 75, "total_tokens": 225},
}).encode()  # fmt: skip
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def _whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


ANSWER = _whole(UNARY)
BURST = STREAM_HEAD + b"".join(map(_framed, STREAM)) + END


class Upstream(asyncio.Protocol):
    """One connection."""

    asked = 0  # by all connections together

    def connection_made(self, transport: asyncio.BaseTransport) -> None:

        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        self._url = self._body = b""
        self._stream: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._url == b"/asked":
            self._transport.write(_whole(b"%d" % Upstream.asked))
            return
        Upstream.asked += 1
        compact = self._body.replace(b" ", b"")
        if b'"stream":true' not in compact:
            self._transport.write(ANSWER)
        elif b'paced"' not in compact:
            self._transport.write(BURST)
        else:
            self._stream = asyncio.create_task(self._send_paced())

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        if self._stream is not None:
            self._stream.cancel()

    async def _send_paced(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._transport.write(STREAM_HEAD)
        for number, event in enumerate(STREAM):
            await asyncio.sleep(began + number * PACE - loop.time())
            self._transport.write(_framed(event))
        self._transport.write(END)


async def main(port: int) -> None:
    """Listens until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
