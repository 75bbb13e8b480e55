"""What the replicas of provider-svc know of targets, keys and connections, as lines: one a replica, for health is each one's own. Pure."""

from collections.abc import Iterator, Mapping

import msgspec
from google.protobuf.duration_pb2 import Duration

from chassis.errors import Reason
from launcher.replica_desk import Asked
from runestone.target.v1.target_pb2 import KeyStatus, ListTargetsResponse, ProviderStatus, TargetStatus

CLOSED, ALONE = "CLOSED", frozenset({"OPEN", "EJECTED"})

Answers = Mapping[str, ListTargetsResponse]  # by the replica's name


class TargetLine(msgspec.Struct, frozen=True):
    """A target as one replica knows it. Times are in seconds, None where there is none; `recent_calls` and `recent_failures` those
    of the ejection's interval."""

    replica: str
    provider: str
    model: str
    routes: list[str]
    state: str
    retry_after: float | None
    running: int
    recent_calls: int
    recent_failures: int
    first_byte: float | None
    first_byte_p95: float | None
    last_failure: str | None

    @property
    def name(self) -> str:
        """The provider and its model."""
        return f"{self.provider}/{self.model}"


class KeyLine(msgspec.Struct, frozen=True):
    """A key of a provider as one replica uses it, by its name in the configuration. `paused`: seconds, None while it is used."""

    replica: str
    provider: str
    key: str
    running: int
    limit: int
    waiting: int
    paused: float | None


class ConnectionLine(msgspec.Struct, frozen=True):
    """The connections of one replica to a provider, by what they do or how they ended."""

    replica: str
    provider: str
    connections: dict[str, int]


def list_targets(answers: Answers) -> list[TargetLine]:
    """By target, then by replica."""
    lines = [_describe(name, target) for name, answer in answers.items() for target in answer.targets]
    return sorted(lines, key=lambda line: (line.provider, line.model, line.replica))


def list_keys(answers: Answers) -> list[KeyLine]:
    """By provider, in the configuration's order, then by replica."""
    return [
        KeyLine(
            replica=replica,
            provider=provider.provider,
            key=key.name,
            running=key.running,
            limit=key.limit,
            waiting=key.waiting,
            paused=_read(key, "paused"),
        )
        for replica, provider in _list_providers(answers)
        for key in provider.keys
    ]


def list_connections(answers: Answers) -> list[ConnectionLine]:
    """By provider, in the configuration's order, then by replica; of those that are reached over a network."""
    return [
        ConnectionLine(replica, provider.provider, dict(sorted(provider.connections.items())))
        for replica, provider in _list_providers(answers)
        if provider.connections
    ]


def list_left_alone(answers: Answers) -> list[TargetLine]:
    """The targets to which no calls go, because they failed there."""
    return [line for line in list_targets(answers) if line.state in ALONE]


def describe_targets(asked: Asked[ListTargetsResponse]) -> dict[str, object]:
    """All lines, and why a replica is missing under `failures`."""
    lines = {
        "targets": list_targets(asked.answers),
        "keys": list_keys(asked.answers),
        "connections": list_connections(asked.answers),
        "failures": dict(asked.failures),
    }
    described: dict[str, object] = msgspec.to_builtins(lines)
    return described


def _list_providers(answers: Answers) -> Iterator[tuple[str, ProviderStatus]]:
    names = dict.fromkeys(provider.provider for answer in answers.values() for provider in answer.providers)
    for name in names:
        for replica, answer in answers.items():
            yield from ((replica, provider) for provider in answer.providers if provider.provider == name)


def _describe(replica: str, target: TargetStatus) -> TargetLine:
    return TargetLine(
        replica=replica,
        provider=target.provider,
        model=target.model,
        routes=list(target.routes),
        state=TargetStatus.State.Name(target.state).removeprefix("STATE_"),
        retry_after=_read(target, "retry_after"),
        running=target.running,
        recent_calls=target.recent_calls,
        recent_failures=target.recent_failures,
        first_byte=_read(target, "first_byte"),
        first_byte_p95=_read(target, "first_byte_p95"),
        last_failure=str(Reason.of_number(target.last_failure)) if target.last_failure else None,
    )


def _read(message: TargetStatus | KeyStatus, name: str) -> float | None:
    if not message.HasField(name):  # type: ignore[arg-type]  # its stubs name the fields of each message
        return None
    duration: Duration = getattr(message, name)
    return duration.ToMicroseconds() / 1e6
