"""A key set comes from the one address that the operator wrote, bounded, and from nowhere else."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway_edge.auth.key_fetch import LARGEST, fetch_keys

DOCUMENT = b'{"keys": []}'


async def give(_request: web.Request) -> web.Response:
    return web.Response(body=DOCUMENT, content_type="application/jwk-set+json")


async def redirect(_request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"location": "/jwks"})


async def flood(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(LARGEST // (64 << 10) + 2):
        await response.write(b"x" * (64 << 10))
    return response


async def squeeze(_request: web.Request) -> web.Response:
    return web.Response(body=b"\x1f\x8b not unpacked", headers={"content-encoding": "gzip"})


async def fail(_request: web.Request) -> web.Response:
    return web.Response(status=500, body=DOCUMENT)


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    application = web.Application()
    ways: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
        "/jwks": give, "/redirect": redirect, "/flood": flood, "/squeeze": squeeze, "/fail": fail,
    }  # fmt: skip
    for path, handler in ways.items():
        application.router.add_get(path, handler)
    async with TestServer(application, host="127.0.0.1") as running:
        yield running


async def test_the_document_is_fetched_as_it_is(server: TestServer) -> None:
    assert await fetch_keys(str(server.make_url("/jwks"))) == DOCUMENT


@pytest.mark.parametrize("path", ["/redirect", "/fail", "/nowhere"])
async def test_any_other_answer_is_none(server: TestServer, path: str) -> None:
    with pytest.raises(OSError, match="the answer is"):
        await fetch_keys(str(server.make_url(path)))


async def test_a_document_that_is_too_large_is_not_read_to_its_end(server: TestServer) -> None:
    with pytest.raises(ValueError, match="larger than"):
        await fetch_keys(str(server.make_url("/flood")))


async def test_a_packed_document_is_not_unpacked(server: TestServer) -> None:
    """A small answer must not become a large one."""
    assert await fetch_keys(str(server.make_url("/squeeze"))) == b"\x1f\x8b not unpacked"


async def test_the_environments_proxies_are_not_used(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert await fetch_keys(str(server.make_url("/jwks"))) == DOCUMENT


async def test_an_address_where_nobody_is_says_so() -> None:
    with pytest.raises(OSError):
        await fetch_keys("http://127.0.0.1:1/jwks")
