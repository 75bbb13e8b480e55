"""`python -m bench.mutual_tls`: what mutual TLS costs a call between two machines, and a connection.

As `bench.session_calls`, over TCP on loopback: one callee in the clear and one with certificates, asked in turn, so that what else the
machine does falls on both. The smallest of the rounds counts.
"""

import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop

from bench.processes import running
from bench.session_calls import PATIENCE, ROUNDS, SECONDS, SERVICE, WARM_UP, asks, build, measure
from chassis import logs
from chassis.client import Channel
from chassis.config import Settings
from chassis.config.schema import Mesh, MeshCaller, MeshTls
from chassis.dialing import PLAINLY, Dial
from chassis.logs import get_logger
from chassis.mesh_security.issuing import Authority
from chassis.mesh_security.mutual_tls import MutualTls
from chassis.metrics import Metrics
from chassis.replicas import open_link
from chassis.runtime import Place, Service, start_service
from chassis.server import MAX_MESSAGE
from chassis.snapshots import Snapshot, SnapshotFeed, snapshot_version
from chassis.testing import free_port, short_directory
from chassis.tracing import Tracing

WIDTHS = (1, 8, 32)  # calls at once
HANDSHAKES = 50
CALLEE, CALLER = "bench", "edge"
KINDS = ("in the clear", "mutual TLS")


def tls_of(folder: Path) -> MeshTls:
    """The files that `make_certificates` wrote."""
    return MeshTls(**{name: f"{folder}/{{service}}.{name}" for name in ("cert", "key", "ca")})


def make_certificates(folder: Path) -> None:
    """For both ends."""
    now, life = datetime.now(UTC), timedelta(days=1)
    authority = Authority.create(now, life)
    for name in (CALLEE, CALLER):
        issued = authority.issue(name, "runestone.local", now, life)
        texts = {"cert": issued.certificate, "key": issued.key, "ca": authority.pem.certificate}
        for kind, text in texts.items():
            (folder / f"{name}.{kind}").write_bytes(text)


async def serve(address: str, folder: Path | None) -> None:
    """Answers until the process is ended."""
    callers = [MeshCaller(name=CALLER, may=[f"/{SERVICE}/*"])]
    settings = Settings(mesh=Mesh(tls=tls_of(folder), callers=callers) if folder else Mesh())
    feed = SnapshotFeed(Snapshot(snapshot_version(settings), settings))
    await start_service(Service(CALLEE, build), Place(listen=address, data_dir=Path()), feed)
    await asyncio.Event().wait()


async def compare(callees: dict[str, tuple[str, int]], dials: dict[str, Dial]) -> None:
    """Prints a line for each case."""
    async with AsyncExitStack() as stack:
        found = {}
        for kind, (address, _) in callees.items():
            link = open_link(address, MAX_MESSAGE, dials[kind])
            channel = await stack.enter_async_context(Channel(address, tracing=Tracing("bench"), link=link))
            if not await channel.is_connected_within(PATIENCE):
                sys.exit(f"bench: the callee ({kind}) does not answer")
            found[kind] = asks(channel)
        for name in ("unary", "stream"):
            for width in WIDTHS:
                rounds: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
                for number in range(1 + ROUNDS):
                    for kind, (_, pid) in callees.items():
                        figures = await measure(found[kind][name], width, SECONDS if number else WARM_UP, pid)
                        rounds[kind] += [figures] if number else []
                for kind in KINDS:
                    caller, served = (min(figures) for figures in zip(*rounds[kind], strict=True))
                    print(
                        f"{name:6} {width:2} at once, {kind:12}: caller {caller:5.1f} us, callee {served:5.1f} us",
                        flush=True,
                    )


async def shake_hands(address: str, folder: Path) -> None:
    """Prints what a new connection costs its caller, who reads the certificate anew for each so that none is shared."""
    started = time.process_time()
    for _ in range(HANDSHAKES):
        async with dial_with(folder).open(address) as channel:
            await channel.channel_ready()
    print(f"connection, mutual TLS: caller {(time.process_time() - started) * 1e3 / HANDSHAKES:.1f} ms")


def dial_with(folder: Path) -> Dial:
    """In the caller's name."""
    return MutualTls(CALLER, tls_of(folder), list, metrics=Metrics(), log=get_logger("bench")).dial(CALLEE)


async def run(addresses: dict[str, str], pids: dict[str, int], folder: Path) -> None:
    """All measurements."""
    await compare(
        {kind: (addresses[kind], pids[kind]) for kind in KINDS}, {KINDS[0]: PLAINLY, KINDS[1]: dial_with(folder)}
    )
    await shake_hands(addresses[KINDS[1]], folder)


def main() -> None:
    """Measures; with an address, is a callee."""
    logs.configure()
    if sys.argv[1:]:
        uvloop.run(serve(sys.argv[1], Path(sys.argv[2]) if sys.argv[2:] else None))
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    with short_directory() as directory:
        make_certificates(directory)
        addresses = {kind: f"127.0.0.1:{free_port()}" for kind in KINDS}
        command = [sys.executable, "-m", "bench.mutual_tls"]
        with (
            running([*command, addresses[KINDS[0]]], core=cores[-1], log=directory / "plain.log") as plain,
            running(
                [*command, addresses[KINDS[1]], str(directory)], core=cores[-1], log=directory / "tls.log"
            ) as secure,
        ):
            uvloop.run(run(addresses, dict(zip(KINDS, (plain.pid, secure.pid), strict=True)), directory))


if __name__ == "__main__":
    main()
