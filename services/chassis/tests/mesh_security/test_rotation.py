"""New certificates, and new authorities, while calls run: none of them fails, and what is in use is what lies there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from tls_folder import new_authority
from tls_stage import EDGE_MAY_ACT, PATIENCE, STREAM, UNARY, dial_as, mesh_settings, serving

from chassis.client import Link
from chassis.dialing import Dial
from chassis.errors import RunestoneError
from chassis.mux.link import MuxLink
from chassis.plain import PlainLink
from chassis.server import MAX_MESSAGE

YOUNG = 0.05  # seconds that a session lives: many handshakes during each step
CALLERS = 4


@dataclass
class Load:
    """Calls without a pause over links of both kinds; the failures, and how often a call went well."""

    links: list[Link]
    well: int = 0
    failures: list[RunestoneError] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, link: Link) -> None:
        while True:
            try:
                assert await link.call(UNARY, b"x", PATIENCE, ()) == b"x"
                assert [answer async for answer in link.stream(STREAM, b"", PATIENCE, ())] == [b"0", b"1", b"2"]
            except RunestoneError as error:
                self.failures.append(error)
            self.well += 1
            self._news.set()

    async def wait_for_more(self, count: int = 200) -> None:
        """Returns when `count` more calls have ended."""
        enough = self.well + count
        async with asyncio.timeout(PATIENCE):
            while self.well < enough:
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def load_on(address: str, dial: Dial) -> AsyncIterator[Load]:
    load = Load(
        [*(MuxLink(address, MAX_MESSAGE, age=YOUNG, dial=dial) for _ in range(CALLERS)), PlainLink(address, dial)]
    )
    for link in load.links:  # a call waits a quarter of a second for the first session, which a busy machine may exceed
        assert await link.is_connected_within(PATIENCE)
    tasks = [asyncio.create_task(load.call(link)) for link in load.links]
    try:
        yield load
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for link in load.links:
            await link.close()


async def read_serial(folder: Any, address: str) -> int:
    """The number of the certificate that the service shows to a new connection."""
    import ssl

    from cryptography import x509

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    files = folder.files("operator")
    context.load_cert_chain(files.cert, files.key)
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection(host, int(port), ssl=context)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
    return x509.load_der_x509_certificate(shown).serial_number


async def test_certificates_change_under_load_and_no_call_fails(folder: Any) -> None:
    async with (
        serving(mesh_settings(folder.tls, EDGE_MAY_ACT), folder.path) as (runtime, address),
        load_on(address, dial_as(folder.tls, "edge")) as load,
    ):
        await load.wait_for_more()
        serials = {await read_serial(folder, address)}
        for _ in range(5):
            folder.issue("cache")
            folder.issue("edge")
            await load.wait_for_more()
            serials.add(await read_serial(folder, address))
    assert load.failures == []
    assert len(serials) == 6
    assert 'runestone_tls_certificate_reloads_total{outcome="reloaded"} ' in runtime.metrics.exposition().decode()


async def test_the_authority_changes_under_load_and_no_call_fails(folder: Any) -> None:
    """First everybody trusts both, then shows a certificate of the new one, then trusts the new one alone: in three steps, as a
    bundle is rolled out. Who still has the old one is out."""
    services, successor = ("cache", "edge", "operator"), new_authority()

    def trust_both() -> None:
        for service in services:
            folder.trust(service, folder.authority, successor)

    def show_new() -> None:
        for service in services:
            folder.issue(service, authority=successor, trusts=(folder.authority, successor))

    def trust_new() -> None:
        for service in services:
            folder.trust(service, successor)

    steps: tuple[Callable[[], None], ...] = (trust_both, show_new, trust_new)
    async with (
        serving(mesh_settings(folder.tls, EDGE_MAY_ACT), folder.path) as (_, address),
        load_on(address, dial_as(folder.tls, "edge")) as load,
    ):
        await load.wait_for_more()
        for step in steps:
            step()
            await load.wait_for_more()
        assert load.failures == []
        with pytest.raises(grpc.aio.AioRpcError):
            async with dial_as(folder.tls, "provider").open(address) as late:
                await late.unary_unary(UNARY)(b"x", timeout=PATIENCE)


async def test_a_broken_file_under_load_changes_nothing_and_is_counted(folder: Any) -> None:
    async with (
        serving(mesh_settings(folder.tls, EDGE_MAY_ACT), folder.path) as (runtime, address),
        load_on(address, dial_as(folder.tls, "edge")) as load,
    ):
        await load.wait_for_more()
        before = await read_serial(folder, address)
        for service in ("cache", "edge"):
            folder.write(service, "tls.crt", b"not a certificate")
        await load.wait_for_more()
        assert await read_serial(folder, address) == before
        assert 'runestone_tls_certificate_reloads_total{outcome="refused"} 1.0' in runtime.metrics.exposition().decode()
        for service in ("cache", "edge"):
            folder.issue(service)
        await load.wait_for_more()
        assert await read_serial(folder, address) != before
    assert load.failures == []


async def test_files_that_go_one_after_the_other_are_taken_when_they_fit(folder: Any, tmp_path: Path) -> None:
    """A key that is not yet the certificate's: what was in use stays until it is."""
    async with (
        serving(mesh_settings(folder.tls, EDGE_MAY_ACT), folder.path) as (_, address),
        load_on(address, dial_as(folder.tls, "edge")) as load,
    ):
        before = await read_serial(folder, address)
        old = (folder.path / "cache/tls.crt").read_bytes()
        folder.issue("cache")
        new = (folder.path / "cache/tls.crt").read_bytes()
        folder.write("cache", "tls.crt", old)
        await load.wait_for_more()
        folder.write("cache", "tls.crt", new)
        await load.wait_for_more()
        assert await read_serial(folder, address) != before
    assert load.failures == []
