"""Whose an rpc is: the credentials in its metadata, by the rules of a request to the same path."""

from collections.abc import Callable

from chassis.clock import Clock
from chassis.context import NO_TRACE
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Arrival, Call
from gateway_edge.callers.session import Session
from gateway_edge.door.ways import Ways
from gateway_edge.grpc_door.question import Asked
from gateway_edge.inner.reply import DiscardingReply
from gateway_edge.messages.calls import already_read
from gateway_edge.stopwatch import Stopwatch


class Opening:
    """Finds the caller under the ways in force."""

    def __init__(self, ways: Callable[[], Ways], clock: Clock) -> None:
        self._ways = ways
        self._clock = clock

    async def open(self, asked: Asked, client_address: str) -> Session:
        """The session of who asks. Raises ROUTE_NOT_FOUND for what cannot be asked so, AUTHENTICATION_FAILED, PERMISSION_DENIED, and
        UNAVAILABLE while a token's keys cannot be had."""
        ways = self._ways()
        way = ways.find_for_message(asked.method, asked.path)
        if way is None:
            raise RunestoneError(Reason.ROUTE_NOT_FOUND, f"{asked.method} {asked.path[:200]} cannot be asked here")
        call = self._make_call(asked, way.path, client_address, ways)
        await ways.handshake(call)
        return Session(call.caller, asked.headers, client_address, ways.policy.version)

    def _make_call(self, asked: Asked, template: str, client_address: str, ways: Ways) -> Call:
        arrival = Arrival(
            method=asked.method,
            path=asked.path,
            query=asked.query,
            endpoint=asked.path,
            template=template,
            headers=asked.headers,
            client_address=client_address,
            received_at=self._clock.monotonic(),
            started_at=self._clock.time(),
            timeout=ways.policy.settings.edge.call_timeout,
            read_body=already_read(asked.body),
        )
        return Call(
            id="",
            arrival=arrival,
            reply=DiscardingReply(),
            settings=ways.policy.settings,
            snapshot_version=ways.policy.version,
            trace=NO_TRACE,
            stopwatch=Stopwatch(),
        )
