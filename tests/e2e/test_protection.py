"""What an edge bears, end to end: who is told to wait, who is shed first, and that the others notice nothing."""

import asyncio
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from real_mesh import Mesh, mesh_running

PAYING, FREE = "paying-key-0123456789", "free-key-0123456789"
ORIGIN = "https://app.example"
CLIENT = "203.0.113.7"
SLOW = 200
PROTECTION = {
    "max_calls": 10,
    "max_calls_per_key": 9,
    "max_connections_per_address": 400,
    "header_timeout": "2s",
    "body_grace": "2s",
}


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    edge = {
        "http": {"port": 0, "trusted_proxies": ["127.0.0.2/32"], "cors": {"origins": [ORIGIN]}},
        "admin": {"port": 0},
        "websocket": {"port": 0},
        "grpc": {"port": 0},
        "protection": PROTECTION,
    }
    tenants = [
        {"name": "paying", "priority": 9, "keys": [{"name": "ci", "secret": PAYING}]},
        {"name": "free", "priority": 0, "keys": [{"name": "ci", "secret": FREE}]},
    ]
    with mesh_running(edge=edge, tenants=tenants) as running:
        yield running


def question(wish: str = "", *, stream: bool = False) -> dict[str, Any]:
    return {"model": f"sim/{wish or 'simulated'}", "messages": [{"role": "user", "content": "hi"}], "stream": stream}


class Callers:
    """Sessions that end with their scene."""

    def __init__(self, mesh: Mesh, stack: AsyncExitStack) -> None:
        self._mesh = mesh
        self._stack = stack

    async def begin(self, key: str, count: int) -> list[aiohttp.ClientResponse]:
        """Streams that have begun and go on for long."""
        return [await self.ask(key, question("words=2000,pace=50ms", stream=True)) for _ in range(count)]

    async def ask(
        self, key: str, body: dict[str, Any] | None = None, source: str = "127.0.0.1", **headers: str
    ) -> aiohttp.ClientResponse:
        connector = aiohttp.TCPConnector(local_addr=(source, 0), force_close=True)
        session = await self._stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        answer = await session.post(
            f"{self._mesh.url}/v1/chat/completions",
            json=body or question(),
            headers={"authorization": f"Bearer {key}"} | {name.replace("_", "-"): it for name, it in headers.items()},
        )
        self._stack.callback(answer.close)
        return answer


async def wait_until_calm(mesh: Mesh) -> None:
    async with asyncio.timeout(20), aiohttp.ClientSession(mesh.admin_url) as session:
        while True:
            async with session.get("/metrics") as answer:
                text = await answer.text()
            running = [line for line in text.splitlines() if line.startswith("runestone_calls_running{")]
            if all(line.endswith(" 0.0") for line in running):
                return
            await asyncio.sleep(0.05)


async def test_paying_calls_are_shed_last(mesh: Mesh) -> None:
    """At eight of ten calls the free tenant is told when to come again; the paying one is answered."""
    async with AsyncExitStack() as stack:
        callers = Callers(mesh, stack)
        await callers.begin(PAYING, 8)
        shed = await callers.ask(FREE)
        assert (shed.status, (await shed.json())["error"]["code"]) == (503, "overloaded")
        milliseconds = int(shed.headers["retry-after-ms"])
        assert int(shed.headers["retry-after"]) == -(-milliseconds // 1000)
        assert shed.headers["x-should-retry"] == "true"
        assert (await callers.ask(PAYING)).status == 200
        async with aiohttp.ClientSession(mesh.admin_url) as session, asyncio.timeout(10):
            while (fact := await read_fact(session))["detail"] == "nothing":
                await asyncio.sleep(0.05)
        assert fact == {"holds": True, "detail": "calls with a priority below 1, because of calls"}
    await wait_until_calm(mesh)
    async with AsyncExitStack() as stack:
        assert (await Callers(mesh, stack).ask(FREE)).status == 200


async def read_fact(session: aiohttp.ClientSession) -> dict[str, Any]:
    async with session.get("/health/readiness") as answer:
        assert answer.status == 200
        parts = (await answer.json())["parts"]
    return next(part["facts"]["shedding"] for name, part in parts.items() if name.startswith("edge"))


async def test_one_key_cannot_take_every_place(mesh: Mesh) -> None:
    async with AsyncExitStack() as stack:
        callers = Callers(mesh, stack)
        await callers.begin(PAYING, 9)
        refused = await callers.ask(PAYING)
        assert (refused.status, (await refused.json())["error"]["code"]) == (429, "too_many_calls")
        assert int(refused.headers["retry-after-ms"]) > 0
    await wait_until_calm(mesh)


@pytest.mark.parametrize(
    ("source", "forwarded", "recorded"),
    [("127.0.0.2", CLIENT, CLIENT), ("127.0.0.1", CLIENT, "127.0.0.1"), ("127.0.0.2", f"1.2.3.4, {CLIENT}", CLIENT)],
    ids=["trusted", "not trusted", "claimed"],
)
async def test_records_name_the_client_and_not_what_it_claims(
    mesh: Mesh, source: str, forwarded: str, recorded: str
) -> None:
    async with AsyncExitStack() as stack:
        answer = await Callers(mesh, stack).ask(PAYING, source=source, x_forwarded_for=forwarded)
        assert answer.status == 200
    record = await asyncio.to_thread(mesh.audit, answer.headers["x-request-id"])
    assert record.client_address == recorded


async def test_two_forwarding_headers_that_disagree_are_refused(mesh: Mesh) -> None:
    async with AsyncExitStack() as stack:
        headers = {"x_forwarded_for": CLIENT, "forwarded": "for=198.51.100.1"}
        assert (await Callers(mesh, stack).ask(PAYING, source="127.0.0.2", **headers)).status == 400


async def test_hundreds_of_slow_clients_leave_others_unharmed(mesh: Mesh) -> None:
    """Half of them never finish their headers; of the others half have a key, and never finish their body."""
    host, port = mesh.about["http"]["host"], mesh.about["http"]["port"]
    slow = [await asyncio.open_connection(host, port) for _ in range(SLOW)]
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n"
    for index, (_, writer) in enumerate(slow):
        key = FREE if index % 4 == 1 else "nobodys-key-0123456789"
        writer.write(head if index % 2 == 0 else head + f"authorization: Bearer {key}\r\n\r\n".encode())
    async with AsyncExitStack() as stack:
        callers = Callers(mesh, stack)
        assert {(await callers.ask(PAYING)).status for _ in range(30)} == {200}
    async with asyncio.timeout(30):
        statuses = [(await reader.read())[9:12] for reader, _ in slow]
    assert set(statuses[::2]) == {b"408"}
    assert set(statuses[1::4]) == {b"408", b"503"}
    assert set(statuses[3::4]) == {b"401"}
    for _, writer in slow:
        writer.close()
    await wait_until_calm(mesh)


async def test_a_page_of_a_named_origin_may_call(mesh: Mesh) -> None:
    asking = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    async with aiohttp.ClientSession(mesh.url) as session:
        async with session.options("/v1/chat/completions", headers=asking) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            assert answer.headers["access-control-allow-headers"] == "authorization"
        async with session.options(
            "/v1/chat/completions", headers={**asking, "origin": "https://evil.example"}
        ) as answer:
            assert answer.status == 403
            assert "access-control-allow-origin" not in answer.headers
        called = {"origin": ORIGIN, "authorization": f"Bearer {PAYING}"}
        for body in (question(), question(stream=True), {}):
            async with session.post("/v1/chat/completions", json=body, headers=called) as answer:
                assert answer.headers["access-control-allow-origin"] == ORIGIN
                assert answer.headers["vary"] == "origin"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    place: Path = tmp_path_factory.mktemp("certificate")
    files = {"cert": str(place / "cert.pem"), "key": str(place / "key.pem")}
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", files["key"], "-out", files["cert"]], check=True, capture_output=True)
    return files


def test_sdk_and_curl_call_over_tls(certificate: dict[str, str]) -> None:
    edge = {
        "workers": 2,
        "http": {"port": 0, "tls": certificate},
        "admin": {"port": 0},
        "websocket": {"port": 0},
        "grpc": {"port": 0},
    }
    tenants = [{"name": "acme", "keys": [{"name": "ci", "secret": PAYING}]}]
    with mesh_running(edge=edge, tenants=tenants) as mesh:
        assert mesh.url.startswith("https://")
        trust = openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile=certificate["cert"]))
        with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=PAYING, http_client=trust) as client:
            messages = [{"role": "user", "content": "hi"}]
            assert client.chat.completions.create(model="simulated", messages=messages).choices
            assert len(list(client.chat.completions.create(model="simulated", messages=messages, stream=True))) > 2
        done = subprocess.run(
            [
                "curl",
                "-sS",
                "--cacert",
                certificate["cert"],
                "-H",
                f"authorization: Bearer {PAYING}",
                f"{mesh.url}/v1/models",
            ],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert '"object":"list"' in done.stdout
