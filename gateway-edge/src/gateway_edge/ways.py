"""Which pipeline a request takes: the paths of one policy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chassis.runtime import Runtime
from chassis.snapshots import Snapshot
from gateway_edge.middleware.base import Pipeline
from gateway_edge.policy import Policy

ANY = ("*", "*")
MODEL = "/v1/models/"


@dataclass(frozen=True, slots=True)
class Way:
    """A path by its template, for logs and metrics, and its pipeline."""

    path: str
    pipeline: Pipeline


class Ways:
    """The ways of one policy. Paths are known with and without `/v1`."""

    def __init__(self, policy: Policy, pipelines: Mapping[tuple[str, str], Pipeline]) -> None:
        self.policy = policy
        self._ways = {key: Way(key[1], pipeline) for key, pipeline in pipelines.items()}

    def find(self, method: str, path: str) -> Way:
        """The way of a request; for a path that nobody knows, the way that refuses it."""
        versioned = path if path.startswith("/v1/") else f"/v1{path}"
        names_model = versioned.startswith(MODEL) and versioned != MODEL
        template = f"{MODEL}{{id}}" if names_model else versioned
        return self._ways.get((method, template)) or self._ways.get((method, "*")) or self._ways[ANY]


class WaysInForce:
    """The ways of the snapshot in force; calling it gives them. A call keeps those that it began with."""

    def __init__(self, runtime: Runtime, lay: Callable[[Policy], Mapping[tuple[str, str], Pipeline]]) -> None:
        self._lay = lay
        self._clock = runtime.clock
        runtime.snapshots.follow(self._put_in_force)

    def _put_in_force(self, snapshot: Snapshot) -> None:
        policy = Policy.of(snapshot, self._clock.time())
        self._ways = Ways(policy, self._lay(policy))

    def __call__(self) -> Ways:
        """The ways for a call that begins now."""
        return self._ways
