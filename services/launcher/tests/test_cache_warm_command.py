"""`runestone cache warm` against a gateway of the test's own."""

import asyncio
import json
import signal
import subprocess
import sys

import aiohttp
import pytest
from aiohttp import web

from chassis.testing import free_port
from gateway_edge.inner.question_file import Line
from gateway_edge.inner.round import Came
from launcher.cli.cache_warm_asking import TRIES, Asker
from launcher.cli.cache_warm_board import spell_counts
from launcher.cli.talking import Gateway
from launcher.meshfile import HttpAddress, MeshFile, write_mesh_file
from launcher.rundir import data_lock

KEY = "a-key-of-the-tests-own"


def question(number: int) -> bytes:
    return b'{"model": "m", "messages": [], "seed": %d}' % number


class Gate:
    """Answers the first time with MISS, later with HIT; `refusals` are given first. Keeps what it was asked with which key."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.refusals: list[tuple[int, dict[str, str]]] = []
        self.stream: bytes | None = None
        self.hangs = False
        self.has_begun = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        known = body in [asked for _, asked in self.asked]
        self.asked.append((request.headers["Authorization"], body))
        self.has_begun.set()
        if self.hangs:
            await asyncio.sleep(30)
        if self.refusals:
            status, headers = self.refusals.pop(0)
            return web.json_response({"error": {"message": "no"}}, status=status, headers=headers)
        headers = {"x-cache": "HIT" if known else "MISS"}
        if self.stream is not None:
            return web.Response(body=self.stream, content_type="text/event-stream", headers=headers)
        return web.json_response({}, headers=headers)


@pytest.fixture
async def gate():
    gate = Gate()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", gate.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    gate.port = free_port()
    await web.TCPSite(runner, "127.0.0.1", gate.port).start()
    yield gate
    await runner.cleanup()


@pytest.fixture
def warm(gate, data_dir):
    """Runs the command on a mesh of which only the gateway is there."""
    here = HttpAddress("127.0.0.1", gate.port)
    (data_dir / "key").write_text(KEY)
    command = [sys.executable, "-m", "launcher", "cache", "warm", "--data-dir", str(data_dir)]
    command += ["--key-file", str(data_dir / "key"), "--rate", "1000"]
    with data_lock(data_dir):
        write_mesh_file(
            data_dir, MeshFile(pid=1, version="v", control="", http=here, admin=here, services={}, started_at=0)
        )

        async def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            return await asyncio.to_thread(
                subprocess.run, [*command, *arguments], capture_output=True, text=True, timeout=50
            )

        run.command = command
        yield run


@pytest.fixture
def asker(gate):
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    asker = Asker(Gateway(f"http://127.0.0.1:{gate.port}", KEY), sleep)
    asker.slept = slept
    return asker


async def ask(asker, number: int = 1) -> Came:
    async with aiohttp.ClientSession() as session:
        asker.session = session
        return await asker.ask(Line(1, 1, question(number)))


async def test_a_files_questions_are_asked_with_the_key_and_counted(gate, warm, data_dir):
    lines = [question(1), b"", question(2), b'{"request": ' + question(1) + b"}"]
    (data_dir / "file").write_bytes(b"\n".join(lines))
    done = await warm(str(data_dir / "file"), "--concurrency", "1", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said.pop("seconds") >= 0
    counts = {"asked": 3, "hits": 1, "misses": 2, "not_kept": 0, "failed": 0, "bad_lines": 0}
    assert said == {**counts, "failures": {}, "interrupted": False}
    assert gate.asked == [(f"Bearer {KEY}", question(number)) for number in (1, 2, 1)]


async def test_a_failure_is_told_in_the_gateways_words_and_is_the_exit_code(gate, warm, data_dir):
    gate.refusals = [(404, {})]
    (data_dir / "file").write_bytes(question(1) + b"\nnonsense\n" + question(2))
    done = await warm(str(data_dir / "file"), "--concurrency", "1")
    assert done.returncode == 1
    assert "1 failed: no (404)" in done.stderr
    assert "file:2: is no JSON object" in done.stderr
    assert done.stdout.startswith("2 asked: 0 hits, 1 misses, 1 failed; 1 bad lines, ")


async def test_a_key_that_is_none_is_not_tried_again(gate, warm, data_dir):
    gate.refusals = [(401, {})] * 50
    (data_dir / "file").write_bytes(b"\n".join(map(question, range(50))))
    done = await warm(str(data_dir / "file"), "--concurrency", "1")
    assert done.returncode == 1
    assert len(gate.asked) <= 2


async def test_ctrl_c_ends_it_with_the_summary(gate, warm, data_dir):
    gate.hangs = True
    (data_dir / "file").write_bytes(question(1))
    running = subprocess.Popen(  # noqa: ASYNC220  returns at once; its waits are in threads
        [*warm.command, str(data_dir / "file")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    async with asyncio.timeout(20):
        await gate.has_begun.wait()
    running.send_signal(signal.SIGINT)
    out, err = await asyncio.to_thread(running.communicate, timeout=20)
    assert (running.returncode, err) == (130, "")
    assert out.startswith("interrupted: 0 asked: 0 hits, 0 misses, 0 failed, ")


async def test_a_refusal_that_says_when_is_obeyed(gate, asker):
    gate.refusals = [(429, {"retry-after-ms": "1500", "retry-after": "2"}), (503, {"retry-after": "999"})]
    assert await ask(asker) is Came.HIT
    assert asker.slept == [1.5, 60.0]


async def test_asking_again_has_an_end(gate, asker):
    gate.refusals = [(429, {"retry-after": "1"})] * TRIES
    assert await ask(asker) is Came.FAILED
    assert (len(gate.asked), asker.failures) == (TRIES, {"no (429)": 1})


@pytest.mark.parametrize("headers", [{}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}])
async def test_a_refusal_that_says_nothing_is_a_failure(gate, asker, headers):
    gate.refusals = [(429, headers)]
    assert await ask(asker) is Came.FAILED
    assert asker.slept == []


async def test_a_stream_counts_when_it_is_whole(gate, asker):
    gate.stream = b"data: {}\n\n" * 1000 + b"data: [DONE]\n\n"
    assert await ask(asker) is Came.MISS
    gate.stream = b'data: {}\n\ndata: {"error": {}}\n\n'
    assert await ask(asker) is Came.FAILED
    assert list(asker.failures) == ["the answer was cut before its end"]


async def test_a_gateway_that_is_gone_is_a_failure_with_its_reason():
    asker = Asker(Gateway(f"http://127.0.0.1:{free_port()}", KEY))
    assert await ask(asker) is Came.FAILED
    assert "the connection failed" in next(iter(asker.failures))


def test_counts_are_spelled_out():
    counts = {"asked": 12, "hits": 4, "misses": 7, "not_kept": 1, "failed": 0, "bad_lines": 2}
    assert spell_counts(counts) == "12 asked: 4 hits, 7 misses, 1 not kept, 0 failed; 2 bad lines"


@pytest.mark.parametrize(
    "arguments", [[], ["file", "--from-audit"], ["file", "--tenant", "acme"], ["file", "--rate", "0"]]
)
async def test_what_cannot_be_meant_is_a_usage_error(warm, arguments):
    assert (await warm(*arguments)).returncode == 2


async def test_a_file_that_is_not_there_is_one_clear_line(warm, data_dir):
    done = await warm(str(data_dir / "absent"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"runestone: cannot read {data_dir / 'absent'}: No such file or directory\n"
