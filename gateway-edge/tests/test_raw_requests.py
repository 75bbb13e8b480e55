"""The whole edge behind a socket, whatever bytes are sent: nothing is answered twice or to somebody unknown, nothing hangs.

The table holds what request smuggling is made of (https://portswigger.net/web-security/request-smuggling,
https://www.rfc-editor.org/rfc/rfc9112#section-11.2); the property sends what nobody thought of.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import quote

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, example, given, settings

from chassis.config import Settings, parse_settings
from chassis.runtime import Place, start_service
from chassis.snapshots import Snapshot, SnapshotFeed, snapshot_version
from chassis.testing import short_directory
from gateway_edge.service import SERVICE

KEY = "acme-key-0123456789"
CONFIGURATION = f"""
edge: {{http: {{cors: {{origins: ["https://app.example"]}}}}, protection: {{header_timeout: 1s}}}}
providers: [{{name: sim, kind: simulated}}]
models: [{{name: simulated, targets: [{{provider: sim, model: simulated}}]}}]
tenants: [{{name: acme, keys: [{{name: ci, secret: {KEY}}}]}}]
"""
PEERS = ("cache", "ratelimit", "provider", "audit")
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Z][ A-Za-z-]*\r\n")
SILENCE = 0.02  # seconds without a byte after which the client says that it is done
HANGS = 10.0  # seconds after which an answer or an end is no more to be hoped for

HOST = "host: x\r\n"
BEARER = f"authorization: Bearer {KEY}\r\n"
ALLOWED = f"GET /v1/models HTTP/1.1\r\n{HOST}{BEARER}\r\n"
POST = f"POST /v1/models HTTP/1.1\r\n{HOST}{BEARER}"
GET = "GET /v1/models HTTP/1.1\r\n"


class RawEdge:
    """An edge that listens; its peers are not there."""

    def __init__(self, port: int, runner: asyncio.Runner) -> None:
        self._port = port
        self._runner = runner

    def tell(self, *pieces: bytes) -> list[int]:
        """The statuses of all answers to a client that sends `pieces` and then is done."""
        return read_statuses(self._runner.run(self._talk(pieces)))

    async def _talk(self, pieces: tuple[bytes, ...]) -> bytes:
        async with asyncio.timeout(HANGS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            answer = b""
            with suppress(ConnectionError):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                with suppress(TimeoutError):
                    while block := await asyncio.wait_for(reader.read(65536), SILENCE):
                        answer += block
                writer.write_eof()
                answer += await reader.read()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            return answer


def read_statuses(stream: bytes) -> list[int]:
    return [int(status) for status in STATUS.findall(stream)]


@asynccontextmanager
async def open_edge(configuration: Settings) -> AsyncIterator[int]:
    """A listening edge's port."""
    with socket.create_server(("127.0.0.1", 0)) as door, short_directory() as directory:
        peers = {name: f"unix:{directory}/{name}.sock" for name in PEERS}
        place = Place(
            listen=f"unix:{directory}/s.sock", data_dir=directory, peers=peers, sockets={"http": door.dup().detach()}
        )
        feed = SnapshotFeed(Snapshot(snapshot_version(configuration), configuration))
        runtime = await start_service(SERVICE, place, feed)
        try:
            yield door.getsockname()[1]
        finally:
            await runtime.stop(0)


@pytest.fixture(scope="module")
def edge() -> Iterator[RawEdge]:
    with asyncio.Runner() as runner:
        opened = open_edge(parse_settings(CONFIGURATION))
        yield RawEdge(runner.run(opened.__aenter__()), runner)
        runner.run(opened.__aexit__(None, None, None))


def test_what_is_in_order_is_answered(edge: RawEdge) -> None:
    assert edge.tell(ALLOWED.encode() * 2) == [200, 200]
    assert edge.tell(GET.encode() + HOST.encode() + b"\r\n") == [401]


SMUGGLED = {
    "CL.TE": f"{POST}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{ALLOWED}",
    "TE.CL": f"{POST}transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n",
    "TE.TE twice": f"{POST}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "TE.TE list": f"{POST}transfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "TE chunked twice": f"{POST}transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "TE unknown": f"{POST}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE quoted": f'{POST}transfer-encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "TE vertical tab": f"{POST}transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "TE space before colon": f"{POST}transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    "TE folded": f"{POST}transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "TE empty": f"{POST}transfer-encoding: \r\n\r\n",
    "TE with HTTP/1.0": f"POST /v1/models HTTP/1.0\r\n{BEARER}transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "CL twice, same": f"{POST}content-length: 0\r\ncontent-length: 0\r\n\r\n",
    "CL twice, other": f"{POST}content-length: 0\r\ncontent-length: {len(ALLOWED)}\r\n\r\n{ALLOWED}",
    "CL list": f"{POST}content-length: 0, 0\r\n\r\n",
    "CL signed": f"{POST}content-length: +0\r\n\r\n",
    "CL negative": f"{POST}content-length: -1\r\n\r\n",
    "CL hexadecimal": f"{POST}content-length: 0x0\r\n\r\n",
    "CL too large": f"{POST}content-length: 18446744073709551616\r\n\r\n",
    "CL parted": f"{POST}content-length: 1 0\r\n\r\n",
    "CL empty": f"{POST}content-length: \r\n\r\n",
    "line ends with LF": f"{GET}{HOST}{BEARER}x: y\n\r\n",
    "head ends with LF": f"{GET}{HOST}{BEARER}\n",
    "bare CR in a header": f"{GET}{HOST}{BEARER}x: y\rz: q\r\n\r\n",
    "NUL in a header": f"{GET}{HOST}{BEARER}x: y\0\r\n\r\n",
    "NUL in a name": f"{GET}{HOST}{BEARER}x\0: y\r\n\r\n",
    "header folded": f"{GET}{HOST}{BEARER}x: y\r\n z\r\n\r\n",
    "folded at once": f"{GET} x: y\r\n{HOST}{BEARER}\r\n",
    "no colon": f"{GET}{HOST}{BEARER}x\r\n\r\n",
    "no name": f"{GET}{HOST}{BEARER}: y\r\n\r\n",
    "no host": f"{GET}{BEARER}\r\n",
    "two hosts": f"{GET}{HOST}{HOST}{BEARER}\r\n",
    "two keys": f"{GET}{HOST}{BEARER}{BEARER}\r\n",
    "two lines of x-api-key": f"{GET}{HOST}x-api-key: {KEY}\r\nX-API-Key: {KEY}\r\n\r\n",
    "absolute form": f"GET http://x/v1/models HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "absolute form, no path": f"GET http://x HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "asterisk form": f"OPTIONS * HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "authority form": f"CONNECT x:443 HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "HTTP/0.9": "GET /v1/models\r\n\r\n",
    "HTTP/1.2": f"GET /v1/models HTTP/1.2\r\n{HOST}{BEARER}\r\n",
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tab in the line": f"GET\t/v1/models HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "space in the path": f"GET /v1/models /x HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "NUL in the path": f"GET /v1/models%00 HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "line end in the path": f"GET /v1/models%0d%0ax HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "dots in the path": f"GET /v1/x/../models HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "encoded dots": f"GET /v1/%2e%2e/v1/models HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "empty segment": f"GET //v1/models HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "backslash": f"GET /v1\\models HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "fragment": f"GET /v1/models#x HTTP/1.1\r\n{HOST}{BEARER}\r\n",
    "compressed": f"{POST}content-encoding: gzip\r\ncontent-length: 0\r\n\r\n",
    "compressed twice": f"{POST}content-encoding: identity\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("sent", SMUGGLED.values(), ids=SMUGGLED)
def test_what_is_ambiguous_is_refused_and_nothing_after_it_is_read(edge: RawEdge, sent: str) -> None:
    """Its key is good: it is the form that is refused."""
    assert edge.tell(sent.encode("latin-1") + ALLOWED.encode()) == [400]


BROKEN_BODIES = {
    "chunk of no size": "transfer-encoding: chunked\r\n\r\nzz\r\n",
    "chunk of negative size": "transfer-encoding: chunked\r\n\r\n-1\r\n",
    "chunk of signed size": "transfer-encoding: chunked\r\n\r\n+0\r\n\r\n",
    "chunk of size 0x": "transfer-encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "chunk too large to count": "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "chunk longer than it says": "transfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "chunk size ends with LF": "transfer-encoding: chunked\r\n\r\n0\n\r\n",
    "chunk ends with LF": "transfer-encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n",
    "chunk extension ends with LF": "transfer-encoding: chunked\r\n\r\n0;x\n\r\n",
    "CR in a chunk extension": "transfer-encoding: chunked\r\n\r\n0;x\ry\r\n\r\n",
}


@pytest.mark.parametrize("sent", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
def test_a_body_without_a_clear_end_ends_its_connection(edge: RawEdge, sent: str) -> None:
    chat = POST.replace("/v1/models", "/v1/chat/completions")
    assert edge.tell((chat + sent + ALLOWED).encode()) == [400]


@pytest.mark.parametrize("path", ["/v1%2fmodels", "/v1%2Fmodels", "/%2fv1/models", "/v1/models%2f", "/V1/models"])
def test_an_encoded_slash_is_no_way_to_a_route(edge: RawEdge, path: str) -> None:
    assert edge.tell(f"GET {path} HTTP/1.1\r\n{HOST}{BEARER}\r\n".encode()) == [404]


@pytest.mark.parametrize(
    "header",
    [
        f"x_api_key: {KEY}",
        f"x.api.key: {KEY}",
        f"http-authorization: Bearer {KEY}",
        f"proxy-authorization: Bearer {KEY}",
        f"cookie: authorization={KEY}",
        f"authorization: Basic {KEY}",
        f"authorization: Bearer {KEY}\xa0",
        f"authorization: Bearer {KEY}, Bearer {KEY}",
    ],
)
def test_no_other_header_stands_for_a_credential(edge: RawEdge, header: str) -> None:
    """Names are taken as they are: nothing maps `_` to `-`."""
    assert edge.tell(f"{GET}{HOST}{header}\r\n\r\n".encode("latin-1")) == [401]


PATHS = (
    "/v1/models",
    "/v1/chat/completions",
    "/chat/completions",
    "/v1/models/simulated",
    "/",
    "/v1/x",
    "*",
    "http://x/",
)
NAMES = (
    "authorization",
    "x-api-key",
    "content-length",
    "transfer-encoding",
    "host",
    "x",
    "origin",
    "expect",
    "connection",
)
VALUES = (
    "Bearer x",
    "sha256:" + "0" * 64,
    "0",
    "5",
    "chunked",
    "identity",
    "x",
    "100-continue",
    "close",
    "upgrade",
    "",
)
JSON = '{"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}'

letters = st.characters(exclude_categories=["Cs"])
paths = (
    st.sampled_from(PATHS[:3])
    | st.sampled_from(PATHS)
    | st.text(letters, max_size=8).map(lambda text: f"/{quote(text)}")
)
values = st.sampled_from(VALUES) | st.text(letters, max_size=8)
names = st.sampled_from(NAMES) | st.sampled_from(NAMES) | st.text(letters, max_size=4)
headers = st.tuples(names, values).map(": ".join)
bodies = st.sampled_from(["", JSON, f"{len(JSON):x}\r\n{JSON}\r\n0\r\n\r\n", "0\r\n\r\n"]) | st.text(
    letters, max_size=20
)


def mostly(usual: str, *others: str) -> st.SearchStrategy[str]:
    """`usual` in nine of ten."""
    return st.integers(0, 9).flatmap(lambda roll: st.just(usual) if roll else st.sampled_from(others))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request with up to a few things wrong."""
    method = draw(st.sampled_from(["GET", "POST"]) | mostly("HEAD", "OPTIONS", "PUT", "CONNECT", "get", ""))
    lines = [f"{method} {draw(paths)} {draw(mostly('HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', ''))}"]
    lines += [line for line in (draw(mostly("host: x", "")), *draw(st.lists(headers, max_size=2))) if line]
    body = draw(bodies)
    if body:
        lines.append(draw(mostly(f"content-length: {len(body.encode())}", "transfer-encoding: chunked", "x: y")))
    end = draw(mostly("\r\n", "\n", "\r"))
    return (end.join(lines) + end * 2 + body).encode()


@given(st.lists(st.one_of(requests(), requests(), requests(), st.binary(max_size=60)), min_size=1, max_size=4))
@example([b"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sha256:" + b"0" * 64 + b"\r\n\r\n"])
@example([b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99\r\n\r\n"])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_sent_without_a_key_is_refused_and_never_hangs(edge: RawEdge, pieces: list[bytes]) -> None:
    statuses = edge.tell(*pieces)
    assert all(400 <= status < 500 for status in statuses), statuses


@given(requests(), st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_how_bytes_are_cut_changes_no_answer(edge: RawEdge, sent: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(sent)))
    assert edge.tell(sent[:cut], sent[cut:]) == edge.tell(sent)
