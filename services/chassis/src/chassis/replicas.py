"""All replicas of one service behind one link: which there are, which are well, which gets the next call.

A call goes to the less busy of two replicas chosen at random (Mitzenmacher, 2001),
or, where it carries a `ROUTE_KEY`, to the replica that rendezvous hashing gives for the key, so that a change of replicas
moves only the keys of those that came or went. A replica that fails five times in a row is left out for a second at a time.
"""

import asyncio
import contextlib
import hashlib
import ipaddress
import random
import socket
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from pathlib import Path

from chassis.bell import Bell
from chassis.breaker import Breaker
from chassis.client import Link
from chassis.dialing import PLAINLY, Dial
from chassis.errors import Reason, RunestoneError
from chassis.metadata import ROUTE_KEY, Metadata
from chassis.mux.link import MuxLink

# Seconds between two looks at a name: usually, while nobody can be reached, and at least, however many wait for a replica.
RESOLVE_INTERVAL, RESOLVE_LONELY, RESOLVE_AGAIN = 5.0, 1.0, 0.2
MOST_TRIES = 3  # replicas that a call is sent to, where those before it certainly did not begin it
FILE = "file:"  # before the path of a file that lists addresses
PATIENCE = 0.25  # seconds that a call waits for any replica at all
SICK = {Reason.UNAVAILABLE, Reason.DEADLINE_EXCEEDED}


def open_link(address: str, max_message: int, dial: Dial = PLAINLY) -> Link:
    """The link for a peer's address: a session to the one that it names, or a session to each replica.

    `unix:/path` or `ip:port`; several with commas between; `name:port` for all addresses of a DNS name (a headless service);
    `file:/path` for those that stand in a file, one a line.
    """
    addresses = split_address(address)
    if len(addresses) == 1 and not is_name(addresses[0]):
        return MuxLink(addresses[0], max_message, dial=dial)
    return ReplicaLink(addresses, lambda one: MuxLink(one, max_message, waits_again=False, dial=dial))


def split_address(address: str) -> list[str]:
    """The addresses in a text with commas between, without the schemes that gRPC would have (`ipv4:a,b`, `dns:///name:port`)."""
    return [_without_scheme(one.strip()) for one in address.split(",")]


def is_name(address: str) -> bool:
    """Whether it stands for addresses that may change: DNS, or a file, has to be asked for them."""
    if address.startswith("unix:"):
        return False
    if address.startswith(FILE):
        return True
    try:
        ipaddress.ip_address(address.rpartition(":")[0].strip("[]"))
    except ValueError:
        return True
    return False


async def resolve(addresses: Sequence[str]) -> set[str]:
    """Every address that `addresses` stand for now. Raises OSError when a name cannot be resolved, or a file not be read."""
    found: set[str] = set()
    for address in addresses:
        if address.startswith(FILE):
            found.update(await asyncio.to_thread(_read_list, Path(address.removeprefix(FILE))))
            continue
        if not is_name(address):
            found.add(address)
            continue
        host, _, port = address.rpartition(":")
        infos = await asyncio.get_running_loop().getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
        for family, _, _, _, socket_address in infos:
            ip = str(socket_address[0])
            found.add(f"[{ip}]:{port}" if family == socket.AF_INET6 else f"{ip}:{port}")
    return found


def _read_list(path: Path) -> list[str]:
    return path.read_text().split()


class Replica:
    """One replica: its link, and whether it is well."""

    def __init__(self, address: str, link: Link) -> None:
        self.address = address
        self.link = link
        self.breaker = Breaker()
        self.running = 0
        self.idle = asyncio.Event()
        self.idle.set()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[Link]:
        """Around each call: counts it, and learns from how it ended."""
        self.running += 1
        self.idle.clear()
        try:
            yield self.link
        except RunestoneError as error:
            self._learn(error)
            raise
        else:
            self.breaker.succeeded()
        finally:
            self.running -= 1
            if not self.running:
                self.idle.set()

    def _learn(self, error: RunestoneError) -> None:
        """What was not begun says nothing of sickness: the replica stops, or has not read yet what is asked. It was sent elsewhere."""
        if error.reason not in SICK:
            self.breaker.succeeded()
        elif error.may_have_begun:
            self.breaker.failed()

    def __repr__(self) -> str:
        return f"Replica({self.address}, {self.running} running, {self.breaker})"


class ReplicaLink:
    """A `Link` over all replicas. Names are resolved again every few seconds: new replicas get calls at once, those that
    are gone get none, and their running calls end where they are."""

    def __init__(self, addresses: Sequence[str], open_one: Callable[[str], Link]) -> None:
        self._addresses = addresses
        self._open_one = open_one
        self._replicas: dict[str, Replica] = {}
        self.changed = Bell()  # rings when a replica has come or gone
        self._known = asyncio.Event()
        self._is_wanted = asyncio.Event()  # somebody waits for a replica
        self._leaving: set[asyncio.Task[None]] = set()
        names = any(map(is_name, addresses))
        if not names:
            self._settle(set(addresses))
        self._resolver = asyncio.create_task(self._keep_resolving()) if names else None

    async def call(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> bytes:
        """A unary call. One that a replica certainly did not begin is sent to others."""
        key = find_route_key(metadata)
        tried: list[Replica] = []
        while True:
            replica = await self._pick(key, tried)
            try:
                with replica.in_use() as link:
                    return await link.call(method, request, timeout, metadata)
            except RunestoneError as error:
                tried.append(replica)
                if not self._may_try_another(error, tried):
                    raise

    async def stream(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> AsyncGenerator[bytes]:
        """A server-streaming call, on one replica; sent to others as `call` is."""
        key = find_route_key(metadata)
        tried: list[Replica] = []
        while True:
            replica = await self._pick(key, tried)
            try:
                with replica.in_use() as link:
                    async with contextlib.aclosing(link.stream(method, request, timeout, metadata)) as answers:
                        async for answer in answers:
                            yield answer
            except RunestoneError as error:
                tried.append(replica)
                if not self._may_try_another(error, tried):
                    raise
            else:
                return

    @property
    def replicas(self) -> Mapping[str, Replica]:
        """Those that there are now, by address; none before the first name is resolved."""
        return self._replicas

    @property
    def is_connected(self) -> bool:
        """Whether some replica can be reached at once."""
        return any(replica.link.is_connected for replica in self._replicas.values())

    async def is_connected_within(self, timeout: float) -> bool:
        """Whether some replica can be reached, waiting up to `timeout` seconds."""
        if self.is_connected:
            return True
        self._is_wanted.set()
        until = asyncio.get_running_loop().time() + timeout
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while not self.is_connected:
                    await self._wait_for_news(timeout)
        return self.is_connected

    async def close(self) -> None:
        """Ends all connections."""
        for task in (self._resolver, *self._leaving):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await asyncio.gather(*(replica.link.close() for replica in self._replicas.values()))

    def _may_try_another(self, error: RunestoneError, tried: Sequence[Replica]) -> bool:
        was_not_begun = error.reason is Reason.UNAVAILABLE and not error.may_have_begun
        return was_not_begun and len(tried) < min(MOST_TRIES, len(self._replicas))

    async def _wait_for_news(self, timeout: float) -> None:
        """Returns when a replica has come or gone, or one can be reached, or it is time for another look."""
        come = asyncio.ensure_future(self.changed.wait())
        links = [replica.link for replica in self._replicas.values()]
        waits = [come, *(asyncio.ensure_future(_wait_until_connected(link, timeout)) for link in links)]
        try:
            await asyncio.wait(waits, timeout=RESOLVE_AGAIN, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _pick(self, key: bytes | None, but: Sequence[Replica]) -> Replica:
        """The replica for the next call, none of those in `but`. Raises UNAVAILABLE when there is none."""
        if not self._replicas:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._known.wait(), PATIENCE)
        others = [replica for replica in self._replicas.values() if replica not in but]
        well = [replica for replica in others if replica.link.is_connected]
        if not well:
            self._is_wanted.set()
        candidates = [replica for replica in well if replica.breaker.admits()] or well or others
        if not candidates:
            message = f"no replica of {', '.join(self._addresses)} can be reached"
            raise RunestoneError(Reason.UNAVAILABLE, message, may_have_begun=False)
        if key is not None:
            return max(candidates, key=lambda replica: rendezvous_weight(key, replica.address))
        first, second = random.choice(candidates), random.choice(candidates)  # noqa: S311  balance, not secrecy
        return first if first.running <= second.running else second

    async def _keep_resolving(self) -> None:
        found: dict[str, set[str]] = {}
        while True:
            for address in self._addresses:
                # A name server that is away changes nothing, and nothing for the other names.
                with contextlib.suppress(OSError):
                    found[address] = await resolve([address])
                    self._settle(set().union(*found.values()))
            await self._rest()

    async def _rest(self) -> None:
        """Until the names are to be resolved again: soon where nobody can be reached, for a successor may be there already."""
        self._is_wanted.clear()
        await asyncio.sleep(RESOLVE_AGAIN * random.uniform(0.8, 1.2))  # noqa: S311
        with contextlib.suppress(TimeoutError):
            pause = RESOLVE_INTERVAL if self.is_connected else RESOLVE_LONELY
            await asyncio.wait_for(self._is_wanted.wait(), (pause - RESOLVE_AGAIN) * random.uniform(0.8, 1.2))  # noqa: S311

    def _settle(self, addresses: set[str]) -> None:
        if addresses == self._replicas.keys():
            return
        for address in self._replicas.keys() - addresses:
            task = asyncio.create_task(_see_off(self._replicas.pop(address)))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        for address in addresses - self._replicas.keys():
            self._replicas[address] = Replica(address, self._open_one(address))
        if self._replicas:
            self._known.set()
        self.changed.ring()

    def __repr__(self) -> str:
        return f"ReplicaLink({', '.join(map(repr, self._replicas.values()))})"


def find_route_key(metadata: Metadata) -> bytes | None:
    """The route key of a call that has one."""
    for key, value in metadata:
        if key == ROUTE_KEY:
            return value if isinstance(value, bytes) else value.encode()
    return None


def rendezvous_weight(key: bytes, address: str) -> bytes:
    """The weight of a replica for a key: the highest wins (Thaler and Ravishankar, 1998)."""
    return hashlib.blake2b(key, key=hashlib.sha256(address.encode()).digest(), digest_size=8).digest()


def _without_scheme(address: str) -> str:
    for scheme in ("ipv4:", "ipv6:", "dns:///", "dns:"):
        address = address.removeprefix(scheme)
    return address


async def _wait_until_connected(link: Link, timeout: float) -> None:
    """Never returns without: who waits for several is told by others when it is over."""
    if not await link.is_connected_within(timeout):
        await asyncio.Event().wait()


async def _see_off(replica: Replica) -> None:
    """Closes the link of a replica that is gone when its last call has ended."""
    try:
        await replica.idle.wait()
    finally:
        await replica.link.close()
