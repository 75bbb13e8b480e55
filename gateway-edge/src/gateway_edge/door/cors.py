"""Which web pages may call: the headers by which a browser asks and is told (https://fetch.spec.whatwg.org/#http-cors-protocol).

Keys travel in headers that a page sets itself, never in cookies: credentials are not allowed, so `*` may stand for all.
"""

from collections.abc import Iterable, Mapping

ANY = "*"
PREFLIGHT_TTL = 7200  # seconds that a browser may remember a permission; Chromium's own bound


class Cors:
    """The origins that may call; without any, nothing is said about it."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(origins)
        self._headers = {origin: _permission(origin) for origin in self._origins}

    def __bool__(self) -> bool:
        return bool(self._origins)

    def allows(self, origin: str) -> bool:
        """Whether pages of `origin` may call."""
        return ANY in self._origins or origin in self._origins

    def headers_for(self, origin: str | None) -> Mapping[str, str]:
        """What every answer to `origin` says."""
        if ANY in self._origins:
            return self._headers[ANY]
        return self._headers.get(origin or "", NOT_ALLOWED)

    def __repr__(self) -> str:
        return f"Cors({', '.join(sorted(self._origins)) or 'nobody'})"


# A cache must not give one origin's answer to another.
NOT_ALLOWED: Mapping[str, str] = {"vary": "origin"}


def preflight_headers(asked: str | None) -> dict[str, str]:
    """What a browser is told that asks before it calls; `asked` are the headers that it is going to send."""
    headers = {"access-control-allow-methods": "GET, POST", "access-control-max-age": str(PREFLIGHT_TTL)}
    return headers | {"access-control-allow-headers": asked} if asked else headers


def _permission(origin: str) -> Mapping[str, str]:
    varies = {} if origin == ANY else NOT_ALLOWED
    return {"access-control-allow-origin": origin, "access-control-expose-headers": "*", **varies}
