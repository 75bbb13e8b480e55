"""The example page, `sdk/typescript/examples/room.html`, in a real Chromium, as a newcomer would try it."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from fake_provider import FakeProvider
from playwright.async_api import Browser, Page, async_playwright, expect
from real_mesh import ACME, Mesh, mesh_running

from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

FOLDER = Path(__file__).parents[2] / "sdk" / "typescript"
CHROMIUM = shutil.which("chromium")
EDGE = {"workers": 2, "http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
PATIENCE = 20_000  # milliseconds

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is needed"),
    pytest.mark.skipif(
        shutil.which("node") is None or not (FOLDER / "dist").exists(),
        reason="node and npm are needed, and `make node`",
    ),
]


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with mesh_running(edge=EDGE) as running:
        yield running


@pytest.fixture
async def fake(mesh: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(port=mesh.fake_port) as provider:
        yield provider


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        # Chromium's own sandbox does not work for root, as whom continuous integration runs.
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        await opened.close()


@pytest.fixture
async def address(mesh: Mesh) -> AsyncIterator[str]:
    """Where the example's own server has it."""
    line = ["node", str(FOLDER / "examples" / "serve.mjs"), "--port", "0", "--gateway", mesh.url]
    environment = {**os.environ, "RUNESTONE_API_KEY": ACME}
    process = await asyncio.create_subprocess_exec(*line, stdout=asyncio.subprocess.PIPE, env=environment)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            said = (await process.stdout.readline()).decode()
        yield said.split()[1]
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def member(browser: Browser, address: str, name: str, room: str, model: str) -> AsyncIterator[Page]:
    """Somebody who opened the page, wrote a name and pressed the button."""
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(PATIENCE)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(f"{address}/?model={model}")
    await page.get_by_label("your name").fill(name)
    await page.get_by_label("room").fill(room)
    await page.get_by_role("button", name="Join").click()
    await expect(page.get_by_label("message")).to_be_enabled(timeout=PATIENCE)
    yield page
    assert problems == []
    await page.context.close()


async def ask(page: Page, question: str) -> None:
    await page.get_by_label("message").fill(question)
    await page.get_by_role("button", name="Ask").click()


async def until_words(page: Page, count: int) -> int:
    """Waits until the answer has so many words."""
    holds = "n => (document.querySelector('.answer p')?.textContent ?? '').split(/\\s+/).filter(Boolean).length >= n"
    await page.wait_for_function(holds, arg=count, timeout=PATIENCE)
    return await count_words(page)


async def count_words(page: Page) -> int:
    return len((await page.locator(".answer p").inner_text()).split())


def kill_edges(mesh: Mesh) -> None:
    for name, address in mesh.about["services"].items():
        if name.startswith("edge"):
            with grpc.insecure_channel(address) as channel:
                status = IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5, wait_for_ready=True)
            os.kill(status.process_id, signal.SIGKILL)


async def test_two_pages_see_each_other_and_control_one_answer(
    mesh: Mesh, fake: FakeProvider, browser: Browser, address: str
) -> None:
    slow = "fake/words=20000,pace=20ms"
    async with (
        member(browser, address, "ann", "seen", slow) as ann,
        member(browser, address, "bob", "seen", slow) as bob,
    ):
        for page in (ann, bob):
            await expect(page.locator("#here li")).to_have_text(["ann", "bob"], timeout=PATIENCE)
        await ann.get_by_label("message").fill("hello <b>you</b>")
        await ann.get_by_role("button", name="Say").click()
        await expect(bob.get_by_role("log")).to_contain_text("ann: hello <b>you</b>", timeout=PATIENCE)
        await ask(ann, "Why?")
        await expect(bob.get_by_role("log")).to_contain_text("ann asks fake: Why?", timeout=PATIENCE)
        for page in (ann, bob):
            await until_words(page, 5)
        await bob.get_by_role("button", name="pause").click()
        for page in (ann, bob):
            await expect(page.get_by_role("log")).to_contain_text("paused by bob", timeout=PATIENCE)
        stood = await count_words(ann)
        await ann.get_by_label("message").fill("a fence")
        await ann.get_by_role("button", name="Say").click()
        await expect(bob.get_by_role("log")).to_contain_text("a fence", timeout=PATIENCE)
        assert await count_words(ann) == stood
        await ann.get_by_role("button", name="resume").click()
        await until_words(bob, stood + 5)
        await bob.get_by_role("button", name="cancel").click()
        for page in (ann, bob):
            await expect(page.locator(".answer output")).to_have_text(
                "the stream was cancelled by bob", timeout=PATIENCE
            )
        await (await fake.exchange()).wait_closed()
        assert fake.requests == 1


async def test_pages_come_back_when_the_edges_are_killed_and_the_answer_goes_on(
    mesh: Mesh, fake: FakeProvider, browser: Browser, address: str
) -> None:
    paced = "fake/words=120,pace=40ms"
    async with (
        member(browser, address, "ann", "killed", paced) as ann,
        member(browser, address, "bob", "killed", paced) as bob,
    ):
        await ask(ann, "Why?")
        for page in (ann, bob):
            await until_words(page, 5)
        await asyncio.to_thread(kill_edges, mesh)
        for page in (ann, bob):
            await expect(page.locator(".answer output")).to_contain_text("tokens", timeout=PATIENCE)
            assert await count_words(page) == 120
            await expect(page.locator("#here li")).to_have_text(["ann", "bob"], timeout=40_000)
        texts = [await page.locator(".answer p").inner_text() for page in (ann, bob)]
        assert texts[0] == texts[1]
        assert fake.requests == 1


async def test_other_pages_cannot_use_the_key_that_the_server_adds(
    mesh: Mesh, fake: FakeProvider, browser: Browser, address: str
) -> None:
    """Its socket is for its own page alone."""
    port = address.rpartition(":")[2]
    for host, origin in (("127.0.0.1", "http://elsewhere.example"), ("elsewhere.example", "http://elsewhere.example")):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(
            f"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nhost: {host}:{port}\r\norigin: {origin}:{port}\r\n"
            "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
            "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        async with asyncio.timeout(10):
            assert b" 403 " in await reader.readline()
        writer.close()
