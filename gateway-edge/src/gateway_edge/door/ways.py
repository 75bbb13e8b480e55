"""Which pipeline a request takes: the paths of one policy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chassis.runtime import Runtime
from chassis.snapshots import Editions, Snapshot
from gateway_edge.middleware.base import Pipeline
from gateway_edge.policy import Policy
from gateway_edge.repeats.recipes import Recipes

ANY = ("*", "*")
MODEL = "/v1/models/"


@dataclass(frozen=True, slots=True)
class Way:
    """A path by its template, for logs and metrics, and its pipeline."""

    path: str
    pipeline: Pipeline


class Ways:
    """The ways of one policy. Paths are known with and without `/v1`; in `table`, by method and path, `*` stands for any. `inner` is that of the edge's own calls: it stands
    beside the table, so that no request can come upon it. `recipes` are for requests that were answered under it before."""

    def __init__(self, policy: Policy, pipelines: Mapping[tuple[str, str], Pipeline], inner: Pipeline) -> None:
        self.policy = policy
        self.inner = inner
        self.recipes = Recipes()
        self.table: Mapping[tuple[str, str], Way] = {key: Way(key[1], way) for key, way in pipelines.items()}

    def find(self, method: str, path: str) -> Way:
        """The way of a request; for a path that nobody knows, the way that refuses it."""
        versioned = path if path.startswith("/v1/") else f"/v1{path}"
        names_model = versioned.startswith(MODEL) and versioned != MODEL
        template = f"{MODEL}{{id}}" if names_model else versioned
        return self.table.get((method, template)) or self.table.get((method, "*")) or self.table[ANY]


def follow_ways(runtime: Runtime, lay: Callable[[Policy], Ways]) -> Editions[Ways]:
    """The ways of each snapshot. A call keeps those that it began with; a snapshot whose pipelines cannot be laid, because the
    constructor of a user's middleware raises, is refused."""

    def make(snapshot: Snapshot) -> Ways:
        return lay(Policy.of(snapshot, runtime.clock.time()))

    return runtime.snapshots.follow(make)
