"""Which pipeline a request takes: the paths of one policy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from chassis.runtime import Runtime
from chassis.snapshots import Editions, Snapshot
from gateway_edge.endpoints.endpoint import Endpoint
from gateway_edge.endpoints.spellings import read_spelling
from gateway_edge.endpoints.stored import RESPONSES, TEMPLATES, find_template
from gateway_edge.endpoints.table import CHAT, ENDPOINTS
from gateway_edge.endpoints.voice import Voice
from gateway_edge.endpoints.voices import OPENAI
from gateway_edge.middleware.base import Pipeline
from gateway_edge.policy import Policy
from gateway_edge.repeats.recipes import Recipes

ANY = ("*", "*")
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


class Ways:
    """The ways of one policy. Paths are known with and without `/v1`, and as Azure's clients write them; in `table`, by method and
    path, `*` stands for any. `inner` is that of the edge's own calls: it stands beside the table, so that no request can come upon
    it. `recipes` are for requests that were answered under it before."""

    def __init__(self, policy: Policy, pipelines: Mapping[tuple[str, str], Pipeline], inner: Pipeline) -> None:
        self.policy = policy
        self.inner = inner
        self.recipes = Recipes()
        self.table: Mapping[tuple[str, str], Way] = {key: _way(key[1], way) for key, way in pipelines.items()}

    def find(self, method: str, path: str) -> Way:
        """The way of a request; for a path that nobody knows, the way that refuses it."""
        versioned = path if path.startswith("/v1/") else f"/v1{path}"
        found = self.table.get((method, versioned)) or self._find_named(method, versioned)
        return found or self.table.get((method, "*")) or self.table[ANY]

    def _find_named(self, method: str, versioned: str) -> Way | None:
        """The way of a path that is written otherwise, or has a model or a response in it."""
        named = read_spelling(versioned)
        if named.path.startswith(MODEL) and named.path != MODEL:
            return self.table.get((method, f"{MODEL}{{id}}"))
        if template := find_template(named.path):
            return self.table.get((method, template))
        way = self.table.get((method, named.path))
        return replace(way, model=named.model) if way is not None and named.model else way


def _way(path: str, pipeline: Pipeline) -> Way:
    endpoint = ENDPOINTS.get(RESPONSES if path in TEMPLATES else path)
    return Way(path, pipeline) if endpoint is None else Way(path, pipeline, endpoint, endpoint.voice)


def follow_ways(runtime: Runtime, lay: Callable[[Policy], Ways]) -> Editions[Ways]:
    """The ways of each snapshot. A call keeps those that it began with; a snapshot whose pipelines cannot be laid, because the
    constructor of a user's middleware raises, is refused."""

    def make(snapshot: Snapshot) -> Ways:
        return lay(Policy.of(snapshot, runtime.clock.time()))

    return runtime.snapshots.follow(make)
