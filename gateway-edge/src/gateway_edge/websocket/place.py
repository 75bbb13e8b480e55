"""Where WebSockets are opened: by path, what is spoken there. Pure."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from gateway_edge.endpoints.spellings import read_spelling
from gateway_edge.websocket.application import Open


class Place(Struct, frozen=True, kw_only=True):
    """A path by its template, as scopes and metrics name it. `subprotocols` are those spoken there, the preferred first; a client that
    names none of them may come too. One that `answers_http` is a path of HTTP requests as well. Where a client `is_probed`, it is sent pings while
    it is silent: what is spoken there knows no heartbeat. Where it is not `is_paced`, it may send messages as fast as they are
    taken: whoever is spoken to there stops reading when it has enough, as a microphone's pieces come faster than the bound on messages."""

    path: str
    open: Open
    subprotocols: Sequence[str] = ()
    answers_http: bool = False
    is_probed: bool = False
    is_paced: bool = True


Places = Mapping[str, Place]


def lay_places(*places: Place) -> Places:
    """The table of places, by path."""
    return {place.path: place for place in places}


def find_place(places: Places, path: str) -> Place | None:
    """The place of a request's path, with and without `/v1`, and as Azure's clients write it."""
    return places.get(path) or places.get(read_spelling(path if path.startswith("/v1/") else f"/v1{path}").path)
