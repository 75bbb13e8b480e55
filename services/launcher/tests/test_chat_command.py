"""`runestone chat` against a gateway of the test's own."""

import asyncio
import signal
import subprocess
import sys
import threading

import pytest
from aiohttp import web

from chassis.testing import free_port
from launcher.answers import Answer, read_error
from launcher.cli.talking import Gateway, stream_answer
from launcher.errors import LaunchError
from launcher.meshfile import HttpAddress, MeshFile, write_mesh_file
from launcher.rundir import data_lock

HELLO = ['data: {"choices":[{"delta":{"role":"assistant"}}],"model":"m"}', "", ": ping", ""]
WORLD = [
    'data: {"choices":[{"delta":{"content":"Hello "}}]}',
    "",
    'data: {"choices":[{"delta":{"content":"world"}}]}',
    "",
]
END = ['data: {"choices":[],"usage":{"output_tokens":2}}', "", "data: [DONE]", ""]


class Gate:
    """Streams `lines`, then hangs when told to; remembers what it was sent and whether its client left."""

    def __init__(self) -> None:
        self.lines = [*HELLO, *WORLD, *END]
        self.status = 200
        self.hangs = False
        self.requests = []
        self.began = threading.Event()
        self.client_left = threading.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.headers["Authorization"], await request.json()))
        if self.status != 200:
            return web.json_response({"error": {"message": "no such model", "code": None}}, status=self.status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write("\n".join(self.lines).encode() + b"\n")
        self.began.set()
        try:
            await asyncio.sleep(30 if self.hangs else 0)
        except asyncio.CancelledError:
            self.client_left.set()
            raise
        return response


@pytest.fixture
async def gate():
    """A running gateway; its address is `gate.url`."""
    gate = Gate()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", gate.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    gate.port = free_port()
    await web.TCPSite(runner, "127.0.0.1", gate.port).start()
    gate.url = f"http://127.0.0.1:{gate.port}"
    yield gate
    await runner.cleanup()


async def ask(gate, said: list) -> Answer:
    return await stream_answer(Gateway(gate.url, "k"), "m", [{"role": "user", "content": "hi"}], said.append)


async def test_pieces_are_handed_on_as_they_come(gate):
    answer = await ask(gate, said := [])
    assert "".join(said) == answer.text == "Hello world"
    assert (answer.model, answer.usage) == ("m", {"output_tokens": 2})
    authorization, body = gate.requests[0]
    assert (authorization, body["stream"], body["model"]) == ("Bearer k", True, "m")


async def test_a_refusal_is_told_in_the_gateways_words(gate):
    gate.status = 404
    with pytest.raises(LaunchError, match=r"no such model \(404\)"):
        await ask(gate, [])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*HELLO, *WORLD], "cut before its end"),
        ([*HELLO, 'data: {"error":{"message":"the provider broke off"}}', ""], "the provider broke off"),
        (["data: {nonsense", ""], "not an OpenAI chat stream"),
    ],
)
async def test_a_broken_answer_never_looks_complete(gate, lines, message):
    gate.lines = lines
    with pytest.raises(LaunchError, match=message):
        await ask(gate, [])


async def test_a_gateway_that_is_gone_is_one_clear_error():
    with pytest.raises(LaunchError, match=r"the connection to .* failed"):
        await stream_answer(Gateway(f"http://127.0.0.1:{free_port()}", "k"), "m", [], print)


def test_a_refusal_without_an_error_document_keeps_its_status():
    assert read_error(502, b"<html>") == "the gateway answered 502"


def test_the_key_is_not_shown_with_the_gateway():
    assert "secret" not in repr(Gateway("http://x", "secret"))


@pytest.fixture
def mesh_of(data_dir):
    """Lets a gateway be found as a running mesh with a development key."""
    with data_lock(data_dir):

        def announce(gate, **facts: str) -> list[str]:
            (data_dir / "development.key").write_text("a-development-key-for-tests\n")
            here = HttpAddress("127.0.0.1", gate.port)
            mesh = MeshFile(pid=1, version="v", control="", http=here, admin=here, services={}, started_at=0, **facts)
            write_mesh_file(data_dir, mesh)
            return [sys.executable, "-m", "launcher", "chat", "--data-dir", str(data_dir)]

        yield announce


async def test_one_question_is_answered_and_the_key_comes_from_its_file(gate, mesh_of):
    command = [*mesh_of(gate), "--model", "x", "hi"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello world\n", "")
    assert gate.requests[0][0] == "Bearer a-development-key-for-tests"
    assert gate.requests[0][1]["model"] == "x"


async def test_the_meshs_own_first_model_answers_when_none_is_named(gate, mesh_of):
    command = [*mesh_of(gate, model="fast"), "hi"]
    await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=True)
    assert gate.requests[0][1]["model"] == "fast"


async def test_a_conversation_carries_its_answers_along(gate, mesh_of):
    done = await asyncio.to_thread(
        subprocess.run, mesh_of(gate), input="one\n\ntwo\n", capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "Hello world\nHello world\n")
    assert [message["content"] for message in gate.requests[1][1]["messages"]] == ["one", "Hello world", "two"]


async def test_ctrl_c_cancels_the_answer_and_not_the_program(gate, mesh_of):
    """The gateway sees its client leave; the next question is answered."""
    gate.hangs = True
    talk = subprocess.Popen(  # noqa: ASYNC220  returns at once; its waits are in threads
        mesh_of(gate), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    talk.stdin.write("one\n")
    talk.stdin.flush()
    assert await asyncio.to_thread(gate.began.wait, 20)
    talk.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(gate.client_left.wait, 20)
    gate.hangs = False
    out, err = await asyncio.to_thread(talk.communicate, "two\n", 20)
    assert talk.returncode == 0
    assert "cancelled" in err
    assert out.endswith("Hello world\n")
    assert [message["content"] for message in gate.requests[1][1]["messages"]] == ["two"]
