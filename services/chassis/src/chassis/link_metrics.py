"""What the metrics show of the connections to peers, when they are asked: replicas by how they are, calls and bytes on their sessions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from chassis.client import Link
from chassis.metrics import Metrics
from chassis.replicas import ReplicaLink


@runtime_checkable
class Session(Protocol):
    """What is known of a link that is a session: `chassis.mux.MuxLink`."""

    @property
    def running(self) -> int:
        """Calls on it now."""

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be sent."""


class Standing(NamedTuple):
    """How one replica stands."""

    state: str
    running: int
    queued_bytes: int


STATES = ("up", "down", "left_out")  # connected; not; connected, and left alone for a while because it failed


def observe_links(metrics: Metrics, links: Mapping[str, Link]) -> None:
    """Shows the `links`, by the peer's name, from now on."""

    def states() -> Iterator[tuple[Sequence[str], float]]:
        for peer, link in links.items():
            found = [standing.state for standing in _look(link)]
            for state in STATES:
                yield (peer, state), found.count(state)

    def running() -> Iterator[tuple[Sequence[str], float]]:
        for peer, link in links.items():
            yield (peer,), sum(standing.running for standing in _look(link))

    def queued() -> Iterator[tuple[Sequence[str], float]]:
        for peer, link in links.items():
            yield (peer,), sum(standing.queued_bytes for standing in _look(link))

    metrics.survey(
        "peer_replicas",
        "Replicas of a peer that are up, down, or left out for a moment because they failed",
        ("peer", "state"),
        states,
    )
    metrics.survey("peer_calls_running", "Rpcs that run at a peer", ("peer",), running)
    metrics.survey("peer_queued_bytes", "Bytes that wait to be sent to a peer", ("peer",), queued)


def _look(link: Link) -> list[Standing]:
    if not isinstance(link, ReplicaLink):
        return [_stand(link, is_left_out=False)]
    return [_stand(replica.link, is_left_out=replica.breaker.is_open) for replica in list(link.replicas.values())]


def _stand(link: Link, *, is_left_out: bool) -> Standing:
    state = "left_out" if is_left_out else "up" if link.is_connected else "down"
    if isinstance(link, Session):
        return Standing(state, link.running, link.queued_bytes)
    return Standing(state, 0, 0)
