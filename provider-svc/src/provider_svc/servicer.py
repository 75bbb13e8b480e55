"""ProviderService: requests in, events out."""

from typing import Any

import msgspec

from chassis import context as call_context
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.server import Context
from chassis.snapshots import Editions
from provider_svc.documents import UNREADABLE
from provider_svc.flight import Flight
from provider_svc.flights import Flights
from provider_svc.provider import UpstreamCall
from provider_svc.roster import Roster, Routes
from provider_svc.settings import ProviderSettings
from provider_svc.subscription import Response, Subscription
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT
from runestone.provider.v1.provider_pb2 import (
    AttachRequest,
    AttachResponse,
    CallRequest,
    CallResponse,
    ControlRequest,
    ControlResponse,
)
from runestone.provider.v1.provider_pb2_grpc import ProviderServiceServicer

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ProviderServicer(ProviderServiceServicer):
    """Speaks protobuf to the outside, and flights inside."""

    def __init__(
        self, flights: Flights, roster: Roster, routes: Editions[Routes], bounds: ProviderSettings, clock: Clock
    ) -> None:
        self._flights = flights
        self._roster = roster
        self._routes = routes
        self._bounds = bounds
        self._clock = clock

    def Call(self, request: CallRequest, context: Context) -> Subscription[CallResponse]:  # noqa: N802
        """Begins a call, under the snapshot that it carries, and follows it."""
        members = read_members(request)
        routes = self._routes.of_call()
        self._flights.check_room(request.call_id)
        lease = self._roster.lend(routes, request.model)
        call = UpstreamCall(
            call_id=request.call_id,
            model=lease.target.model,
            stream=request.stream,
            members=members,
            deadline=self._deadline(),
        )
        return self._follow(self._flights.begin(request.tenant, call, lease), CallResponse, 0, context)

    def Attach(self, request: AttachRequest, context: Context) -> Subscription[AttachResponse]:  # noqa: N802
        """Follows a call that another began."""
        flight = self._flights.find(request.call_id, request.tenant)
        return self._follow(flight, AttachResponse, request.after_seq, context)

    async def Control(self, request: ControlRequest, context: Context) -> ControlResponse:  # noqa: N802, ARG002
        """Steers a call."""
        flight = self._flights.find(request.call_id, request.tenant)
        match request.action:
            case ControlRequest.ACTION_PAUSE | ControlRequest.ACTION_RESUME:
                flight.pause(request.action == ControlRequest.ACTION_PAUSE)
            case ControlRequest.ACTION_CANCEL:
                self._flights.stop_call(flight, RunestoneError(Reason.CANCELLED, "the call was cancelled on request"))
            case _:
                raise RunestoneError(
                    Reason.INVALID_REQUEST, "say which action: pause, resume or cancel", param="action"
                )
        return ControlResponse(last_seq=flight.ring.last_seq, paused=flight.is_paused)

    def _deadline(self) -> float:
        deadline = call_context.current().deadline
        longest = self._clock.monotonic() + self._bounds.longest_call
        return longest if deadline is None else min(deadline, longest)

    def _follow(self, flight: Flight, form: type[Response], after_seq: int, context: Context) -> Subscription[Response]:
        """Subscribes until the rpc ends, however that is: grpc does not close what it iterates over when an rpc is
        cancelled while a message waits to be sent."""
        subscription = self._flights.follow(flight, form, after_seq)
        leave: Any = lambda _: subscription.leave()  # noqa: E731  its published type is no callable's
        context.add_done_callback(leave)
        return subscription


def read_members(request: CallRequest) -> dict[str, msgspec.Raw]:
    """The body's top-level members. Raises INVALID_REQUEST for whatever is missing or cannot be understood."""
    for name in ("call_id", "tenant", "model"):
        if not getattr(request, name):
            raise RunestoneError(Reason.INVALID_REQUEST, f"{name} is missing", param=name)
    if request.dialect != DIALECT_OPENAI_CHAT:
        raise RunestoneError(Reason.INVALID_REQUEST, "the dialect is not one that this service speaks", param="dialect")
    try:
        return _decode_members(request.body)
    except UNREADABLE as exc:
        raise RunestoneError(Reason.INVALID_REQUEST, f"the body is not a JSON object: {exc}", param="body") from exc
