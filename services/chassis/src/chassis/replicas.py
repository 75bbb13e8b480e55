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

from chassis.bell import Bell
from chassis.breaker import Breaker
from chassis.client import Link
from chassis.dialing import PLAINLY, Dial
from chassis.errors import Reason, RunestoneError
from chassis.metadata import ROUTE_KEY, Metadata
from chassis.mux.link import MuxLink

RESOLVE_INTERVAL = 5.0
PATIENCE = 0.25  # seconds that a call waits for any replica at all
SICK = {Reason.UNAVAILABLE, Reason.DEADLINE_EXCEEDED}


def open_link(address: str, max_message: int, dial: Dial = PLAINLY) -> Link:
    """The link for a peer's address: a session to the one that it names, or a session to each replica.

    `unix:/path` or `ip:port`; several with commas between; `name:port` for all addresses of a DNS name (a headless service).
    """
    addresses = split_address(address)
    if len(addresses) == 1 and not is_name(addresses[0]):
        return MuxLink(addresses[0], max_message, dial=dial)
    return ReplicaLink(addresses, lambda one: MuxLink(one, max_message, dial=dial))


def split_address(address: str) -> list[str]:
    """The addresses in a text with commas between, without the schemes that gRPC would have (`ipv4:a,b`, `dns:///name:port`)."""
    return [_without_scheme(one.strip()) for one in address.split(",")]


def is_name(address: str) -> bool:
    """Whether DNS has to be asked for it."""
    if address.startswith("unix:"):
        return False
    try:
        ipaddress.ip_address(address.rpartition(":")[0].strip("[]"))
    except ValueError:
        return True
    return False


async def resolve(addresses: Sequence[str]) -> set[str]:
    """Every address that `addresses` stand for now. Raises OSError when a name cannot be resolved."""
    found: set[str] = set()
    for address in addresses:
        if not is_name(address):
            found.add(address)
            continue
        host, _, port = address.rpartition(":")
        infos = await asyncio.get_running_loop().getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
        for family, _, _, _, socket_address in infos:
            ip = str(socket_address[0])
            found.add(f"[{ip}]:{port}" if family == socket.AF_INET6 else f"{ip}:{port}")
    return found


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
            (self.breaker.failed if error.reason in SICK else self.breaker.succeeded)()
            raise
        else:
            self.breaker.succeeded()
        finally:
            self.running -= 1
            if not self.running:
                self.idle.set()

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
        self._leaving: set[asyncio.Task[None]] = set()
        names = any(map(is_name, addresses))
        if not names:
            self._settle(set(addresses))
        self._resolver = asyncio.create_task(self._keep_resolving()) if names else None

    async def call(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> bytes:
        """A unary call. One that a replica certainly did not begin is tried once more, on another."""
        key = find_route_key(metadata)
        first = await self._pick(key, None)
        try:
            with first.in_use() as link:
                return await link.call(method, request, timeout, metadata)
        except RunestoneError as error:
            if error.may_have_begun or error.reason is not Reason.UNAVAILABLE:
                raise
        with (await self._pick(key, first)).in_use() as link:
            return await link.call(method, request, timeout, metadata)

    async def stream(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> AsyncGenerator[bytes]:
        """A server-streaming call, on one replica."""
        key = find_route_key(metadata)
        tried: Replica | None = None
        while True:
            replica = await self._pick(key, tried)
            try:
                with replica.in_use() as link:
                    async with contextlib.aclosing(link.stream(method, request, timeout, metadata)) as answers:
                        async for answer in answers:
                            yield answer
            except RunestoneError as error:
                if tried is not None or error.may_have_begun or error.reason is not Reason.UNAVAILABLE:
                    raise
                tried = replica
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
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._known.wait(), timeout)
        waits = [
            asyncio.ensure_future(replica.link.is_connected_within(timeout)) for replica in self._replicas.values()
        ]
        try:
            for one in asyncio.as_completed(waits):
                if await one:
                    return True
        finally:
            for wait in waits:
                wait.cancel()
        return False

    async def close(self) -> None:
        """Ends all connections."""
        for task in (self._resolver, *self._leaving):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await asyncio.gather(*(replica.link.close() for replica in self._replicas.values()))

    async def _pick(self, key: bytes | None, but: Replica | None) -> Replica:
        """The replica for the next call. Raises UNAVAILABLE when there is none."""
        if not self._replicas:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._known.wait(), PATIENCE)
        others = [replica for replica in self._replicas.values() if replica is not but]
        well = [replica for replica in others if replica.link.is_connected]
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
            pause = RESOLVE_INTERVAL if self._replicas else 0.2
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311

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


async def _see_off(replica: Replica) -> None:
    """Closes the link of a replica that is gone when its last call has ended."""
    try:
        await replica.idle.wait()
    finally:
        await replica.link.close()
