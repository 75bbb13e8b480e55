"""WebSockets at a real mesh: over TLS on both ports, revoked by a reload, closed when the mesh stops; and no key in any log."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import websockets
from real_mesh import ACME, OTHER, Mesh, mesh_running
from socket_stage import until

PORTS: dict[str, Any] = {"http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
TURN = json.dumps({"type": "response.create", "model": "sim/words=2", "input": "hi"})


def url_of(mesh: Mesh, port: str = "websocket", query: str = "") -> str:
    address = mesh.about[port]
    scheme = address["scheme"].replace("http", "ws")
    return f"{scheme}://{address['host']}:{address['port']}/v1/responses{query}"


def connect(mesh: Mesh, port: str = "websocket", key: str = ACME, **options: Any) -> Any:
    return websockets.connect(url_of(mesh, port), additional_headers={"authorization": f"Bearer {key}"}, **options)


async def turn(socket: Any) -> str:
    """Asks once, and gives the type of the last event."""
    await socket.send(TURN)
    while (kind := json.loads(await socket.recv())["type"]) not in {"response.completed", "error"}:
        pass
    return str(kind)


async def serving_sockets(mesh: Mesh) -> int:
    """How many are open, as the metrics say."""
    async with aiohttp.ClientSession() as session, session.get(f"{mesh.admin_url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("runestone_sockets_open{"))


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    files = {name: str(tmp_path / f"{name}.pem") for name in ("cert", "key")}
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


async def test_both_ports_share_the_certificate(certificate: dict[str, str]) -> None:
    trust = ssl.create_default_context(cafile=certificate["cert"])
    with mesh_running(edge={**PORTS, "http": {"port": 0, "tls": certificate}}) as mesh:
        assert mesh.about["websocket"]["scheme"] == "wss"
        for port in ("http", "websocket"):
            async with connect(mesh, port, ssl=trust) as socket:
                assert await turn(socket) == "response.completed"
                with pytest.raises(websockets.ConnectionClosedError) as closed:
                    await socket.send(b"binary")
                    await socket.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1003


@pytest.mark.parametrize("options", [[], ["--one-process"]], ids=["processes", "one-process"])
async def test_a_mesh_that_stops_closes_its_sockets_for_a_restart(options: list[str]) -> None:
    """What runs is answered first; nobody is cut off."""
    with mesh_running(*options, edge={**PORTS, "drain": {"grace": "5s"}}) as mesh:
        sockets = [await connect(mesh, port) for port in ("http", "websocket") * 5]
        busy = sockets[0]
        await busy.send(json.dumps({"type": "response.create", "model": "sim/words=40,pace=25ms", "input": "hi"}))
        await busy.recv()
        mesh.process.send_signal(signal.SIGTERM)
        codes = await asyncio.gather(*(code_of(socket) for socket in sockets))
        await asyncio.to_thread(mesh.process.wait, 15)
    assert codes == [(["response.completed"], 1012), *[([], 1012)] * 9]


async def code_of(socket: Any) -> tuple[list[str], int]:
    """The last events' types that end a turn, and the close frame's code."""
    ends = []
    try:
        async for message in socket:
            if (kind := json.loads(message)["type"]) in {"response.completed", "error"}:
                ends.append(kind)
    except websockets.ConnectionClosedError:
        pass
    return ends, int(socket.close_code)


async def test_who_waits_at_a_worker_that_died_is_served_by_its_successor() -> None:
    """The launcher keeps the port's socket, with the connections in it."""
    with mesh_running(edge=PORTS) as mesh:
        async with connect(mesh) as socket:
            os.kill(await edge_of(mesh), signal.SIGKILL)
            with pytest.raises(websockets.ConnectionClosedError):
                await socket.recv()
        async with connect(mesh, open_timeout=20) as socket:
            assert await turn(socket) == "response.completed"


async def edge_of(mesh: Mesh) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{mesh.admin_url}/health/readiness") as answer:
        return int((await answer.json())["parts"]["edge-0"]["pid"])


def take_away(tenant: str, mesh: Mesh) -> None:
    """Reloads a configuration without the tenant."""
    path = Path(mesh.about["config"])
    config = json.loads(path.read_text())
    config["tenants"] = [each for each in config["tenants"] if each["name"] != tenant]
    path.write_text(json.dumps(config))
    mesh.command("reload")


@pytest.fixture
async def reloadable() -> AsyncIterator[Mesh]:
    with mesh_running(edge={**PORTS, "workers": 2, "end_revoked_streams": True}) as mesh:
        yield mesh


async def test_a_reload_closes_the_sockets_of_a_revoked_key_and_no_other(reloadable: Mesh) -> None:
    mesh = reloadable
    async with connect(mesh) as acme, connect(mesh, key=OTHER) as other:
        await asyncio.to_thread(take_away, "acme", mesh)
        assert (await code_of(acme)) == ([], 1008)
        assert await turn(other) == "response.completed"


async def test_keys_in_the_query_reach_no_log_no_record_and_no_metric() -> None:
    canary = "canary-key-0123456789"
    tenants = [{"name": "acme", "keys": [{"name": "ci", "secret": canary}]}]
    with mesh_running("--log-level", "debug", edge=PORTS, tenants=tenants) as mesh:
        for query in (f"?api_key={canary}", f"?token={canary}&vsn=2.0.0"):
            async with websockets.connect(url_of(mesh, query=query)) as socket:
                assert await turn(socket) == "response.completed"
        for bad in (f"?api_key={canary}x", f"?api_key={canary}&token=other-canary-0123456789"):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(url_of(mesh, query=bad))
            assert canary.encode() not in refused.value.response.body
        await until(lambda: len(mesh.audit_records(tenant="acme")) == 2)
        records = repr(mesh.audit_records())
        async with aiohttp.ClientSession() as session, session.get(f"{mesh.admin_url}/metrics") as answer:
            metrics = await answer.text()
        spool = b"".join(file.read_bytes() for file in (mesh.data_dir / "spool").rglob("*") if file.is_file())
        assert canary not in mesh.log.read_text() + records + metrics
        assert canary.encode() not in spool
        assert await serving_sockets(mesh) == 0
