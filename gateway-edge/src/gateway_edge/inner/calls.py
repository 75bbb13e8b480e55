"""Calls that the edge makes of its own accord, for a tenant: a question that is asked anew or ahead, and no client's."""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType

from chassis import context
from chassis.clock import Clock
from chassis.context import CallContext
from chassis.errors import Reason, RunestoneError
from chassis.ids import NewId
from chassis.tracing import Tracing
from gateway_edge.call import Arrival, Call, Outcome
from gateway_edge.callers.tenants import Principal
from gateway_edge.door.intake import read_timeout
from gateway_edge.door.running import RunningCalls
from gateway_edge.door.ways import Ways
from gateway_edge.endpoints.table import CHAT
from gateway_edge.inner.reply import DiscardingReply
from gateway_edge.messages.calls import already_read
from gateway_edge.stopwatch import Stopwatch

MOST = 32  # at a time; what is asked ahead or anew can wait, clients cannot
COUNTED_AS = "inner"  # before the path in metrics, logs and spans, apart from what clients asked
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class InnerCalls:
    """Makes calls through the same pipelines, limits and records as clients' calls, but for finding out who calls.

    They run under the snapshot in force, each with an id, a deadline and a context of its own, and end with the process as
    all that are `running` do. Above `most` at a time they are refused at once.
    """

    def __init__(
        self,
        ways: Callable[[], Ways],
        running: RunningCalls,
        *,
        clock: Clock,
        new_id: NewId,
        tracing: Tracing,
        most: int = MOST,
    ) -> None:
        self._ways = ways
        self._running = running
        self._clock = clock
        self._new_id = new_id
        self._tracing = tracing
        self._most = most
        self._count = 0

    async def make(
        self, principal: Principal, body: bytes, *, headers: Mapping[str, str] = NO_HEADERS, of: Call | None = None
    ) -> Outcome:
        """Asks `body` for `principal` and says how it went; a failure is the outcome's `error`, nothing is raised. `headers`,
        in lower case, are what a client could have sent: among them `x-runestone-pipeline` to take the way of another call
        that sent it. `of` is the call that is the cause: this one asks at its endpoint, where chat is asked without one, joins its
        trace and carries its id as `x-request-id`.

        When cancelled, the call is cancelled down to the provider's socket, and on record as one that its client left.
        """
        if self._count >= self._most:
            message = f"{self._most} calls of the edge's own run already, as many as may"
            return Outcome(error=RunestoneError(Reason.OVERLOADED, message, retry_after=1.0))
        self._count += 1
        around = context.current()
        try:
            return await self._make(principal, body, headers, of)
        finally:
            context.bind(around)
            self._count -= 1

    async def _make(self, principal: Principal, body: bytes, headers: Mapping[str, str], of: Call | None) -> Outcome:
        ways = self._ways()
        call, reply = self._open_call(ways, principal, body, headers, of)
        await self._running.run(call, reply, f"{COUNTED_AS} {call.arrival.path}", "internal", _answer(call, ways))
        return call.outcome

    def _open_call(
        self, ways: Ways, principal: Principal, body: bytes, headers: Mapping[str, str], of: Call | None
    ) -> tuple[Call, DiscardingReply]:
        policy, received_at, reply = ways.policy, self._clock.monotonic(), DiscardingReply()
        trace = self._tracing.begin(of.trace.traceparent if of else None)
        timeout = read_timeout(headers, policy.settings.edge.call_timeout)
        context.bind(CallContext(trace, received_at + timeout, policy.version))
        path = of.arrival.template if of else CHAT.path
        arrival = Arrival(
            method="POST",
            path=path,
            query="",
            endpoint=path,
            template=path,
            headers={"x-request-id": of.id, **headers} if of else headers,
            client_address="",
            received_at=received_at,
            started_at=self._clock.time(),
            timeout=timeout,
            read_body=already_read(body),
            model=of.arrival.model if of else "",
        )
        call = Call(
            id=self._new_id(),
            arrival=arrival,
            reply=reply,
            settings=policy.settings,
            snapshot_version=policy.version,
            trace=trace,
            stopwatch=Stopwatch(),
            principal=principal,
            endpoint=of.endpoint if of else CHAT,
            cause=of.id if of else "",
        )
        return call, reply

    def __repr__(self) -> str:
        return f"InnerCalls({self._count}/{self._most})"


async def _answer(call: Call, ways: Ways) -> None:
    """Refuses what the key may not do, as `identify` does for clients. From which addresses it may be used binds clients: this
    call comes from none."""
    scope = dataclasses.replace(call.caller.scope, networks=())
    scope.check(call.arrival.template, call.arrival.client_address, call.arrival.started_at)
    await ways.inner(call)
