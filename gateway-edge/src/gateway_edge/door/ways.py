"""Which pipeline a request takes: the paths of one policy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from chassis.runtime import Runtime
from chassis.snapshots import Editions, Snapshot
from gateway_edge.endpoints.endpoint import Endpoint
from gateway_edge.endpoints.spellings import read_spelling
from gateway_edge.endpoints.stored import RESPONSES, TEMPLATES, find_template
from gateway_edge.endpoints.streams import STEERED, STREAM, find_stream_template
from gateway_edge.endpoints.table import CHAT, ENDPOINTS
from gateway_edge.endpoints.voice import Voice
from gateway_edge.endpoints.voices import OPENAI
from gateway_edge.middleware.base import Pipeline
from gateway_edge.policy import Policy
from gateway_edge.repeats.recipes import Recipes

ANY = ("*", "*")
NOBODY_ANSWERS = Pipeline([])
MODEL = "/v1/models/"


@dataclass(frozen=True, slots=True)
class Way:
    """A path by its template, for logs and metrics, and its pipeline; where it asks a model, its endpoint, and the `model` that the
    path itself names."""

    path: str
    pipeline: Pipeline
    endpoint: Endpoint = CHAT
    voice: Voice = OPENAI
    model: str = ""


Table = Mapping[tuple[str, str], Way]


class Ways:
    """The ways of one policy. Paths are known with and without `/v1`, and as Azure's clients write them; in `table`, by method and
    path, `*` stands for any. `inner` is that of the edge's own calls: it stands beside the table, so that no request can come upon
    it; so do those of `messages`, by method and path as well, which are for calls whose caller is known already. `handshake` finds out
    whose a connection is that is to carry such. `recipes` are for requests that were answered under it before."""

    def __init__(
        self,
        policy: Policy,
        pipelines: Mapping[tuple[str, str], Pipeline],
        inner: Pipeline,
        messages: Mapping[tuple[str, str], Pipeline] = MappingProxyType({}),
        handshake: Pipeline = NOBODY_ANSWERS,
    ) -> None:
        self.policy = policy
        self.inner = inner
        self.handshake = handshake
        self.recipes = Recipes()
        self.table: Table = {key: _way(key[1], way) for key, way in pipelines.items()}
        self._messages: Table = {key: _way(key[1], way) for key, way in messages.items()}

    def find(self, method: str, path: str) -> Way:
        """The way of a request; for a path that nobody knows, the way that refuses it."""
        return _find(self.table, method, path) or self.table.get((method, "*")) or self.table[ANY]

    def find_for_message(self, method: str, path: str) -> Way | None:
        """The way of a call that comes as a message over an open connection, which asks what a request could ask; None for what cannot
        be asked so."""
        return _find(self._messages, method, path)


def _find(table: Table, method: str, path: str) -> Way | None:
    versioned = path if path.startswith("/v1/") else f"/v1{path}"
    return table.get((method, versioned)) or _find_named(table, method, versioned)


def _find_named(table: Table, method: str, versioned: str) -> Way | None:
    """The way of a path that is written otherwise, or has a model or a response in it."""
    named = read_spelling(versioned)
    if named.path.startswith(MODEL) and named.path != MODEL:
        return table.get((method, f"{MODEL}{{id}}"))
    if template := find_template(named.path) or find_stream_template(named.path):
        return table.get((method, template))
    way = table.get((method, named.path))
    return replace(way, model=named.model) if way is not None and named.model else way


def _way(path: str, pipeline: Pipeline) -> Way:
    if ("POST", path) in STEERED:
        return Way(STREAM, pipeline)
    endpoint = ENDPOINTS.get(RESPONSES if path in TEMPLATES else path)
    return Way(path, pipeline) if endpoint is None else Way(path, pipeline, endpoint, endpoint.voice)


def follow_ways(runtime: Runtime, lay: Callable[[Policy], Ways]) -> Editions[Ways]:
    """The ways of each snapshot. A call keeps those that it began with; a snapshot whose pipelines cannot be laid, because the
    constructor of a user's middleware raises, is refused."""

    def make(snapshot: Snapshot) -> Ways:
        return lay(Policy.of(snapshot, runtime.clock.time()))

    return runtime.snapshots.follow(make)
