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
from provider_svc.copies.copies import Copies
from provider_svc.dispatch import Dispatch
from provider_svc.envelope import Envelope, read_envelope
from provider_svc.flights import Flights
from provider_svc.lasting import read_pause_window, read_resume_window
from provider_svc.seats import Routes
from provider_svc.settings import ProviderSettings
from provider_svc.subscription import Response, Role, Subscription
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
        self,
        flights: Flights,
        dispatch: Dispatch,
        routes: Editions[Routes],
        bounds: ProviderSettings,
        clock: Clock,
        *,
        copies: Copies,
    ) -> None:
        self._flights = flights
        self._dispatch = dispatch
        self._routes = routes
        self._bounds = bounds
        self._clock = clock
        self._copies = copies

    def Call(self, request: CallRequest, context: Context) -> Subscription[CallResponse]:  # noqa: N802
        """Shares the flight of the same question, or begins one under the snapshot that the call carries, and follows it."""
        envelope, question = read_envelope(request), read_question(request)
        self._flights.check_new(request.call_id)
        call = read_call(request, self._deadline(), self._bounds.longest_resume_window)
        if question is None or not self._flights.join(call, question):
            self._flights.begin(call, partial(self._plan, request, envelope), question)
        subscription = self._flights.follow(call, CallResponse)
        if call.resume_window:
            self._copies.begin(self._flights.follow(call, AttachResponse, role=Role.COPIER))
        return until_over(subscription, context)

    def Attach(self, request: AttachRequest, context: Context) -> Subscription[AttachResponse]:  # noqa: N802
        """Follows a call that another began, or only looks on."""
        call = self._flights.find(request.call_id, request.tenant)
        role = Role.WATCHER if request.is_watching else Role.FOLLOWER
        return until_over(self._flights.follow(call, AttachResponse, request.after_seq, role), context)

    async def Control(self, request: ControlRequest, context: Context) -> ControlResponse:  # noqa: N802, ARG002
        """Steers a call."""
        call = self._flights.find(request.call_id, request.tenant)
        match request.action:
            case ControlRequest.ACTION_PAUSE | ControlRequest.ACTION_RESUME:
                self._flights.pause(call, paused=request.action == ControlRequest.ACTION_PAUSE)
            case ControlRequest.ACTION_DETACH:
                call.flight.detach(call)
            case ControlRequest.ACTION_CANCEL:
                self._flights.stop_call(call, RunestoneError(Reason.CANCELLED, "the call was cancelled on request"))
            case _:
                message = "say which action: pause, resume, cancel or detach"
                raise RunestoneError(Reason.INVALID_REQUEST, message, param="action")
        return ControlResponse(last_seq=call.flight.ring.last_seq, paused=call.is_paused)

    def _plan(self, request: CallRequest, envelope: Envelope) -> tuple[Asking, Journey]:
        """How to answer, under the running call's snapshot. Raises MODEL_NOT_FOUND, NOT_FOUND, INVALID_REQUEST where no target has the
        endpoint, or UNAVAILABLE, not begun, where another replica may know what this one does not."""
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
        with self._routes.for_call() as routes:
            return self._dispatch.plan(routes, ask, request.route or request.model, request.provider)

    def _deadline(self) -> float:
        deadline = call_context.current().deadline
        longest = self._clock.monotonic() + self._bounds.longest_call
        return longest if deadline is None else min(deadline, longest)


def read_call(request: CallRequest, deadline: float, longest_resume_window: float) -> Call:
    """The caller's part of what answers it. Raises INVALID_REQUEST for windows that cannot be."""
    return Call(
        request.call_id,
        request.tenant,
        deadline,
        resume_window=read_resume_window(request, longest_resume_window),
        pause_window=read_pause_window(request),
    )


def until_over(subscription: Subscription[Response], context: Context) -> Subscription[Response]:
    """The same, left when the rpc ends, however that is: grpc does not close what it iterates over when an rpc is cancelled
    while a message waits to be sent."""
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
