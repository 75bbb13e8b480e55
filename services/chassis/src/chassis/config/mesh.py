"""What must hold of `mesh`: certificates that can be found, callers that can be told apart, addresses that can be listened on."""

import re
from collections import Counter
from collections.abc import Iterator

from chassis.config.document import Finding, KeyPath
from chassis.config.schema import MeshTls, Peer, Settings
from chassis.mesh_security.identity import SERVICE, is_spiffe_id

PEERS = ("cache", "ratelimit", "provider", "audit")
PLACE = "{service}"

_RPCS = re.compile(r"/[A-Za-z*][\w.*]*/[\w*]+|\*")  # `/runestone.cache.v1.CacheService/*`
_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\[\]:/\s]+):(\d{1,5})")


def check_mesh(settings: Settings) -> Iterator[Finding]:
    """Everything in `mesh.tls`, `mesh.callers` and `mesh.<service>.probe` that could not be meant."""
    if settings.mesh.tls is not None:
        yield from _check_tls(settings.mesh.tls)
    yield from _check_callers(settings)
    for name in PEERS:
        yield from _check_probe(getattr(settings.mesh, name), ("mesh", name, "probe"))


def _check_probe(peer: Peer, path: KeyPath) -> Iterator[Finding]:
    if peer.probe is None:
        return
    if not is_address(peer.probe):
        yield path, "must be host:port, such as 0.0.0.0:50060"
    elif peer.replicas > 1 and not peer.endpoints:
        yield path, "several replicas on one machine cannot share a port; leave it out, the launcher asks them itself"


def is_address(text: str) -> bool:
    """Whether it is `host:port`, an IPv6 host in brackets."""
    match = _ADDRESS.fullmatch(text)
    return match is not None and int(match[1]) <= 65535


def _check_tls(tls: MeshTls) -> Iterator[Finding]:
    for name in ("cert", "key", "ca"):
        text = getattr(tls, name)
        if not text:
            yield ("mesh", "tls", name), "must be the path of a PEM file"
        elif set("{}") & set(text.replace(PLACE, "")):
            yield ("mesh", "tls", name), f"only {PLACE} may stand in braces: the name of who reads the file"


def _check_callers(settings: Settings) -> Iterator[Finding]:
    callers = settings.mesh.callers
    if callers and settings.mesh.tls is None:
        yield ("mesh", "callers"), "nobody is asked for a name without mesh.tls"
    counts = Counter(caller.name for caller in callers)
    for index, caller in enumerate(callers):
        path = ("mesh", "callers", index)
        if not (is_spiffe_id(caller.name) or SERVICE.fullmatch(caller.name)):
            yield (
                (*path, "name"),
                "must be a SPIFFE ID (spiffe://runestone.local/team/app), or a name in the trust domain",
            )
        if counts[caller.name] > 1:
            yield (*path, "name"), f"{caller.name!r} stands {counts[caller.name]} times"
        for number, rpcs in enumerate(caller.may):
            if not _RPCS.fullmatch(rpcs):
                yield (*path, "may", number), "must be /package.Service/Method, with * for anything"
