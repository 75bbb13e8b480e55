"""The file that every part of the mesh reads: the user's own, and what follows from how the parts are started. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

LOOPBACK = "127.0.0.1"
EDGE, PLACE = "edge", "{service}"
DELAY = "3s"  # Envoy asks every second; after this no new call comes to an edge that stops
HEAD = "# Written by `runestone mesh`: what it was given, and where the parts of this mesh find each other.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`lists` are the files in which the addresses of each service's replicas stand, `replicas` how many those are at first; `redis` and
    `postgres` are addresses of stores, None where there is none; `certificates` is a folder with one of each service's, None without TLS inside."""

    lists: Mapping[str, str]
    replicas: Mapping[str, int] = field(default_factory=dict)
    redis: str | None = None
    postgres: str | None = None
    certificates: str | None = None


def extend_document(document: Mapping[str, Any], around: Surroundings) -> dict[str, Any]:
    """`document` with what the mesh decides; what it only proposes, the document's own words outdo."""
    proposed: dict[str, Any] = {"edge": {"drain": {"delay": DELAY}}}
    if around.redis is not None:
        proposed |= {"cache": {"store": around.redis}, "ratelimit": {"store": around.redis}}
    if around.postgres is not None:
        proposed["audit"] = {"store": around.postgres}
    decided = {
        "edge": {
            "http": {"host": LOOPBACK, "tls": _certify(around, EDGE), "trusted_proxies": _trust(document)},
            "grpc": {"enabled": True, "host": LOOPBACK, "tls": _certify(around, EDGE)},
            "workers": 1,
        },
        "mesh": {name: _place(name, path, around) for name, path in around.lists.items()}
        | {"tls": _certify(around, PLACE)},
    }
    return merge(merge(proposed, document), decided)


def list_overruled(document: Mapping[str, Any]) -> list[str]:
    """A sentence for each thing in `document` that has no effect in this mesh."""
    reasons = {
        ("edge", "http", "tls"): "Envoy has a certificate of its own, and calls edges over loopback",
        ("edge", "grpc", "tls"): "Envoy calls the door over loopback",
        ("mesh", "tls"): "all parts are on this machine; --tls makes certificates for them",
    }
    return [
        f"{'.'.join(path)} has no effect here: {reason}" for path, reason in reasons.items() if look_up(document, path)
    ]


def look_up(document: Mapping[str, Any], path: Sequence[str]) -> Any:
    """What stands at `path`; None where nothing does."""
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def write_document(document: Mapping[str, Any]) -> str:
    """The file's text. References (`${...}`) stand in it as they were written."""
    return HEAD + yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, section by section; where both name a value, that of `over`."""
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _trust(document: Mapping[str, Any]) -> list[Any]:
    """Envoy's address beside those that the document trusts."""
    trusted = look_up(document, ("edge", "http", "trusted_proxies")) or []
    return [LOOPBACK, *(one for one in trusted if one != LOOPBACK)]


def _place(service: str, path: str, around: Surroundings) -> dict[str, Any]:
    return {"listen": LOOPBACK, "endpoints": [f"file:{path}"], "replicas": around.replicas.get(service, 1)}


def _certify(around: Surroundings, whose: str) -> dict[str, str] | None:
    """The files that are shown, and whom others are verified by."""
    if around.certificates is None:
        return None
    files = {"cert": "tls.crt", "key": "tls.key", "ca": "ca.crt"}
    return {name: f"{around.certificates}/{whose}/{file}" for name, file in files.items()}
