"""ProviderService: requests in, events out."""

from functools import partial
from typing import Any

from chassis import context as call_context
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.server import Context
from chassis.snapshots import Editions
from provider_svc.attempts.ask import Ask
from provider_svc.attempts.asking import Asking
from provider_svc.attempts.journey import Journey
from provider_svc.call import Call, Question
from provider_svc.dispatch import Dispatch
from provider_svc.envelope import Envelope, read_envelope
from provider_svc.flights import Flights
from provider_svc.seats import Routes
from provider_svc.settings import ProviderSettings
from provider_svc.subscription import Response, Subscription
from runestone.provider.v1.provider_pb2 import (
    AttachRequest,
    AttachResponse,
    CallRequest,
    CallResponse,
    ControlRequest,
    ControlResponse,
)
from runestone.provider.v1.provider_pb2_grpc import ProviderServiceServicer

KEY_LENGTH = 32  # bytes: a SHA-256


class ProviderServicer(ProviderServiceServicer):
    """Speaks protobuf to the outside, and flights inside."""

    def __init__(
        self, flights: Flights, dispatch: Dispatch, routes: Editions[Routes], bounds: ProviderSettings, clock: Clock
    ) -> None:
        self._flights = flights
        self._dispatch = dispatch
        self._routes = routes
        self._bounds = bounds
        self._clock = clock

    def Call(self, request: CallRequest, context: Context) -> Subscription[CallResponse]:  # noqa: N802
        """Shares the flight of the same question, or begins one under the snapshot that the call carries, and follows it."""
        envelope, question = read_envelope(request), read_question(request)
        self._flights.check_new(request.call_id)
        call = Call(request.call_id, request.tenant, self._deadline())
        if question is None or not self._flights.join(call, question):
            self._flights.begin(call, partial(self._plan, request, envelope), question)
        return follow(self._flights, call, CallResponse, 0, context)

    def Attach(self, request: AttachRequest, context: Context) -> Subscription[AttachResponse]:  # noqa: N802
        """Follows a call that another began."""
        call = self._flights.find(request.call_id, request.tenant)
        return follow(self._flights, call, AttachResponse, request.after_seq, context)

    async def Control(self, request: ControlRequest, context: Context) -> ControlResponse:  # noqa: N802, ARG002
        """Steers a call."""
        call = self._flights.find(request.call_id, request.tenant)
        match request.action:
            case ControlRequest.ACTION_PAUSE | ControlRequest.ACTION_RESUME:
                call.flight.pause(call, paused=request.action == ControlRequest.ACTION_PAUSE)
            case ControlRequest.ACTION_CANCEL:
                self._flights.stop_call(call, RunestoneError(Reason.CANCELLED, "the call was cancelled on request"))
            case _:
                raise RunestoneError(
                    Reason.INVALID_REQUEST, "say which action: pause, resume or cancel", param="action"
                )
        return ControlResponse(last_seq=call.flight.ring.last_seq, paused=call.is_paused)

    def _plan(self, request: CallRequest, envelope: Envelope) -> tuple[Asking, Journey]:
        """How to answer, under the running call's snapshot. Raises MODEL_NOT_FOUND, NOT_FOUND, INVALID_REQUEST where no target has the
        endpoint, or UNAVAILABLE for lack of the snapshot."""
        ask = Ask(
            call_id=request.call_id,
            tenant=request.tenant,
            stream=request.stream,
            members=envelope.members,
            dialect=request.dialect,
            form=envelope.form,
            content_type=envelope.content_type,
            headers=envelope.headers,
            kept=envelope.kept,
        )
        return self._dispatch.plan(self._routes.of_call(), ask, request.route or request.model, request.provider)

    def _deadline(self) -> float:
        deadline = call_context.current().deadline
        longest = self._clock.monotonic() + self._bounds.longest_call
        return longest if deadline is None else min(deadline, longest)


def follow(
    flights: Flights, call: Call, form: type[Response], after_seq: int, context: Context
) -> Subscription[Response]:
    """Subscribes until the rpc ends, however that is: grpc does not close what it iterates over when an rpc is cancelled
    while a message waits to be sent."""
    subscription = flights.follow(call, form, after_seq)
    leave: Any = lambda _: subscription.leave()  # noqa: E731  its published type is no callable's
    context.add_done_callback(leave)
    return subscription


def read_question(request: CallRequest) -> Question | None:
    """What the call shares with others like it; None where it shares nothing. Raises INVALID_REQUEST for what is no key."""
    key = request.coalesce_key
    if not key:
        return None
    if len(key) != KEY_LENGTH:
        message = f"coalesce_key has {len(key)} bytes; {KEY_LENGTH} or none were expected"
        raise RunestoneError(Reason.INVALID_REQUEST, message, param="coalesce_key")
    return Question(key, request.stream, request.dialect)
