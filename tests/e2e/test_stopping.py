"""The end of the grace: calls that still run are told so, never cut in silence."""

import asyncio
import signal

import aiohttp
import pytest
from real_mesh import ACME, Mesh, mesh_running

AUTH = {"authorization": f"Bearer {ACME}"}


def body(wish: str, *, stream: bool) -> dict[str, object]:
    return {"model": f"sim/{wish}", "messages": [{"role": "user", "content": "hi"}], "stream": stream}


async def ask(mesh: Mesh, wish: str, began: asyncio.Event, *, stream: bool) -> tuple[int, str]:
    async with aiohttp.ClientSession(mesh.url, headers=AUTH) as session:
        if not stream:
            asyncio.get_running_loop().call_later(0.3, began.set)
        async with session.post("/v1/chat/completions", json=body(wish, stream=stream)) as answer:
            began.set()
            return answer.status, await answer.text()


@pytest.mark.parametrize("options", [[], ["--one-process"]], ids=["processes", "one-process"])
async def test_calls_that_outlive_the_grace_are_ended_honestly(options: list[str]) -> None:
    """A stream by an error event without `[DONE]`, a unary call by 503; a call that fits into the grace is answered."""
    edge = {
        "http": {"port": 0},
        "admin": {"port": 0},
        "websocket": {"port": 0},
        "grpc": {"port": 0},
        "drain": {"grace": "1s"},
    }
    with mesh_running(*options, edge=edge) as mesh:
        began = [asyncio.Event() for _ in range(3)]
        asked = [
            asyncio.create_task(ask(mesh, "words=2000,pace=20ms", began[0], stream=True)),
            asyncio.create_task(ask(mesh, "latency=60s", began[1], stream=False)),
            asyncio.create_task(ask(mesh, "latency=800ms", began[2], stream=False)),
        ]
        await asyncio.gather(*(event.wait() for event in began))
        mesh.process.send_signal(signal.SIGTERM)
        (stream_status, stream), (unary_status, unary), (short_status, _) = await asyncio.gather(*asked)
        await asyncio.to_thread(mesh.process.wait, 15)  # a second signal would hurry it
    assert stream_status == 200
    assert "stopping" in stream.split("\n\n")[-2]
    assert "[DONE]" not in stream
    assert (unary_status, "stopping" in unary) == (503, True)
    assert short_status == 200
