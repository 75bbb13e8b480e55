"""TargetService: what is known of targets, keys and connections, for operators."""

from collections.abc import Callable, Mapping, Sequence

from google.protobuf.duration_pb2 import Duration

from chassis.clock import Clock
from chassis.server import Context
from chassis.snapshots import Editions
from provider_svc.attempts.ask import Ask
from provider_svc.dispatch import Dispatch, Explained
from provider_svc.envelope import read_members
from provider_svc.health.book import HealthBook
from provider_svc.health.breaker import State
from provider_svc.health.target import TargetHealth
from provider_svc.inspection import Leads, list_targets
from provider_svc.keys.keyed import KeyState
from provider_svc.seats import Routes
from runestone.common.v1.error_pb2 import ERROR_REASON_UNSPECIFIED
from runestone.target.v1.target_pb2 import (
    Choice,
    ExplainRouteRequest,
    ExplainRouteResponse,
    KeyStatus,
    ListTargetsRequest,
    ListTargetsResponse,
    ProviderStatus,
    TargetStatus,
)
from runestone.target.v1.target_pb2_grpc import TargetServiceServicer

STATES: Mapping[State, TargetStatus.State.ValueType] = {
    State.CLOSED: TargetStatus.STATE_CLOSED,
    State.OPEN: TargetStatus.STATE_OPEN,
    State.HALF_OPEN: TargetStatus.STATE_HALF_OPEN,
    State.EJECTED: TargetStatus.STATE_EJECTED,
}


ListKeys = Callable[[str], Sequence[KeyState]]  # of a provider, in the configuration's order
CountConnections = Callable[[str], Mapping[str, int]]  # of a provider, by name


class TargetServicer(TargetServiceServicer):
    """Looks, and changes nothing."""

    def __init__(  # noqa: PLR0917  what is shown, each from where it is known
        self,
        routes: Editions[Routes],
        dispatch: Dispatch,
        book: HealthBook,
        clock: Clock,
        list_keys: ListKeys,
        count_connections: CountConnections,
    ) -> None:
        self._routes = routes
        self._dispatch = dispatch
        self._book = book
        self._clock = clock
        self._list_keys = list_keys
        self._count_connections = count_connections

    async def ListTargets(self, request: ListTargetsRequest, context: Context) -> ListTargetsResponse:  # noqa: N802, ARG002
        """All targets and providers of the configuration in force."""
        routes, now = self._routes.current, self._clock.monotonic()
        leads = Leads(routes.catalog)
        targets = [write_target(health, leads, now) for health, _ in list_targets(routes, self._book)]
        return ListTargetsResponse(targets=targets, providers=map(self._write_provider, routes.seats))

    async def ExplainRoute(self, request: ExplainRouteRequest, context: Context) -> ExplainRouteResponse:  # noqa: N802, ARG002
        """Where a call would go. Raises MODEL_NOT_FOUND, or INVALID_REQUEST for a body that is no JSON object."""
        members = read_members(request.body) if request.body else {}
        ask = Ask(call_id="", tenant=request.tenant, stream=False, members=members, dialect=request.dialect)
        with self._routes.for_call() as routes:
            explained = self._dispatch.explain(routes, ask, request.model)
        route = explained[0].route
        choices = [choice for one in explained for choice in write_choices(one)]
        choices.sort(key=lambda choice: not choice.eligible)
        return ExplainRouteResponse(route=route.name, strategy=route.entry.strategy, choices=choices)

    def _write_provider(self, name: str) -> ProviderStatus:
        keys = [write_key(key) for key in self._list_keys(name)]
        return ProviderStatus(provider=name, keys=keys, connections=self._count_connections(name))


def write_target(health: TargetHealth, leads: Leads, now: float) -> TargetStatus:
    """How a target is at `now`, of the clock by which its health was noted."""
    calls, failures = health.recent(now)
    usual = health.first_byte_p95(stream=True)
    return TargetStatus(
        provider=health.provider,
        model=health.model,
        routes=leads.find(health.provider, health.model),
        state=STATES[health.state(now)],
        retry_after=write_seconds(health.retry_at(now) - now or None),
        running=health.running,
        recent_calls=calls,
        recent_failures=failures,
        first_byte=write_seconds(health.first_byte(now)),
        first_byte_p95=write_seconds(health.first_byte_p95(stream=False) if usual is None else usual),
        last_failure=health.last_failure.number if health.last_failure is not None else ERROR_REASON_UNSPECIFIED,
    )


def write_key(key: KeyState) -> KeyStatus:
    """How a key is."""
    return KeyStatus(
        name=key.name,
        running=key.running,
        limit=key.limit,
        waiting=key.waiting,
        paused=write_seconds(key.paused or None),
    )


def write_choices(explained: Explained) -> list[Choice]:
    """The targets of one route."""
    return [
        Choice(
            route=explained.route.name,
            provider=one.target.provider,
            model=one.target.model,
            eligible=one.is_eligible,
            why=one.why,
        )
        for one in explained.targets
    ]


def write_seconds(seconds: float | None) -> Duration | None:
    """To the microsecond; None stays None."""
    if seconds is None:
        return None
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1e6))
    return duration
