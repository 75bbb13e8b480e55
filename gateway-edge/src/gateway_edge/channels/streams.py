"""The streams that one channel reads: asked for in it, or resumed."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from msgspec import Struct

from chassis.config.schema import WebSocketDoor
from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from gateway_edge.call import Outcome
from gateway_edge.channels.asking import make_message, read_ask
from gateway_edge.channels.channel import Answer, Channel, Payload
from gateway_edge.channels.control import ACTIONS, Action, Control, Order
from gateway_edge.channels.delivery import Delivery
from gateway_edge.channels.replies import DocumentReply, StreamReply
from gateway_edge.channels.telling import add_provenance, write_complete, write_stream
from gateway_edge.endpoints.voice import Voice
from gateway_edge.messages.calls import MakeReply
from gateway_edge.messages.gate import Gate
from gateway_edge.messages.message import WEBSOCKET, Message
from gateway_edge.streams.note import is_stream_id
from gateway_edge.streams.notes import no_stream

CANCELLED = RunestoneError(Reason.CANCELLED, "the stream was cancelled")
TOO_MANY = RunestoneError(
    Reason.RATE_LIMITED, "this connection has as many streams running as it may", code="too_many_streams"
)


class Calls(Protocol):
    """Makes calls of messages: `MessageCalls`."""

    async def run(self, message: Message, make_reply: MakeReply) -> Outcome:
        """Answers `message` through the reply that is made for its call's id."""


class Asking(Struct, frozen=True, kw_only=True):
    """What channels that ask models need, one for the process. `end` ends a call of this process, `spawn` runs what outlives a channel."""

    calls: Calls
    control: Control
    end: Callable[[str, RunestoneError], None]
    door: Callable[[], WebSocketDoor]
    spawn: Callable[[Coroutine[Any, Any, None], str], object]
    log: Logger


class _Stream(Struct):
    """One that is read here, by the call `call_id`."""

    gate: Gate
    call_id: str = ""


class Streams:
    """Runs calls for `channel`, as many at a time as its connection may. `traceparent` is that of its join: calls whose messages have none are
    part of that trace. When the channel ends its calls are cancelled, of which those that can be resumed go on elsewhere."""

    def __init__(self, channel: Channel, asking: Asking, traceparent: str = "") -> None:
        self._channel = channel
        self._asking = asking
        self._traceparent = traceparent
        self._running: dict[str, _Stream] = {}

    def ask(self, payload: Payload, answer: Answer) -> None:
        """`chat:stream`: the answer says which stream it is, or why there is none."""
        message = self._read(payload, is_stream=True)
        self._begin(partial(self._stream, message, answer), answer.error)

    def ask_whole(self, payload: Payload, answer: Answer) -> None:
        """`chat:message`: the answer is the model's, whole. Not on a connection whose client was told to leave: who asks for a stream comes back for
        it, but a whole answer would be lost. Raises UNAVAILABLE then."""
        message = self._read(payload, is_stream=False)
        if self._channel.streams.is_left:
            text = "the gateway is stopping"
            raise RunestoneError(Reason.UNAVAILABLE, text, retry_after=1.0, code="gateway_stopping")
        self._begin(partial(self._answer_whole, message, answer), answer.error)

    def resume(self, stream_id: str, after: int) -> None:
        """Goes on with a stream behind event `after`."""
        delivery = Delivery(self._channel, stream_id, self._make_gate())
        self._begin(partial(self._follow, stream_id, after), delivery.fail)

    def steer(self, payload: Payload, answer: Answer) -> None:
        """`stream:control`: what is read here stands still at once; what is not is found wherever it runs."""
        order = payload.read(Order)
        self._channel.spawn(self._steer(order, answer))

    def cancel_all(self) -> None:
        """Ends all that run, down to the provider's socket."""
        for stream_id, stream in list(self._running.items()):
            self._asking.end(stream.call_id, CANCELLED)
            self._asking.spawn(self._cancel_elsewhere(stream_id), f"cancel {stream_id}")

    def _read(self, payload: Payload, *, is_stream: bool) -> Message:
        ask = read_ask(payload)
        return make_message(self._channel.session, ask, is_stream=is_stream, traceparent=self._traceparent)

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]], fail: Callable[[RunestoneError], None]) -> None:
        slots = self._channel.streams
        if not slots.take():
            fail(TOO_MANY)
            return
        task = self._channel.spawn(work())
        task.add_done_callback(lambda _task: slots.give_back())  # also of one that was cancelled before it ran

    async def _stream(self, message: Message, answer: Answer) -> None:
        delivery: Delivery | None = None

        def open_delivery(call_id: str, gate: Gate) -> tuple[str, Delivery]:
            nonlocal delivery
            delivery = Delivery(self._channel, call_id, gate, answer)
            return call_id, delivery

        try:
            await self._run(message, open_delivery)
        except RunestoneError as error:  # before there was a call
            answer.error(error)
        finally:
            if delivery is not None:
                delivery.end()

    async def _follow(self, stream_id: str, after: int) -> None:
        def open_delivery(_call_id: str, gate: Gate) -> tuple[str, Delivery]:
            return stream_id, Delivery(self._channel, stream_id, gate)

        message = Message(
            session=self._channel.session,
            front=WEBSOCKET,
            method="GET",
            path=f"/v1/streams/{stream_id}",
            query=f"starting_after={after}",
        )
        try:
            await self._run(message, open_delivery, after)
        except RunestoneError as error:
            Delivery(self._channel, stream_id, self._make_gate()).fail(error)

    async def _run(
        self, message: Message, open_delivery: Callable[[str, Gate], tuple[str, Delivery]], after: int = 0
    ) -> None:
        """Runs a stream's call; the stream is known here from the moment on when it has an id, and until its end was told."""
        stream = _Stream(self._make_gate())
        stream_id, reply = "", None

        def make_reply(call_id: str, _voice: Voice) -> StreamReply:
            nonlocal stream_id, reply
            stream_id, delivery = open_delivery(call_id, stream.gate)
            stream.call_id, self._running[stream_id] = call_id, stream
            reply = StreamReply(delivery, after)
            return reply

        try:
            outcome = await self._asking.calls.run(message, make_reply)
        except ConnectionError:
            return  # its client is gone
        finally:
            if self._running.get(stream_id) is stream:
                del self._running[stream_id]
        if outcome.error is None and reply is not None:
            told = write_complete(stream_id, reply.last, outcome, is_shared=message.method == "GET")
            self._channel.push("stream:complete", told)

    async def _answer_whole(self, message: Message, answer: Answer) -> None:
        reply, id_of = DocumentReply(self._asking.door().max_frame_size), ""

        def make_reply(call_id: str, _voice: Voice) -> DocumentReply:
            nonlocal id_of
            id_of = call_id
            return reply

        try:
            outcome = await self._asking.calls.run(message, make_reply)
        except RunestoneError as error:
            answer.error(error)
            return
        if reply.error is not None:
            answer.error(reply.error)
        elif reply.content_type.startswith("application/json"):
            answer.ok(add_provenance(reply.body, id_of, reply.headers, outcome))
        else:
            answer.ok_binary(reply.body)

    async def _steer(self, order: Order, answer: Answer) -> None:
        stream = self._running.get(order.stream_id)
        if stream is not None:
            _hold(stream.gate, order.action)
        try:
            await self._tell(stream, order)
        except RunestoneError as error:
            if stream is None or not self._steer_here(stream, order, error):
                answer.error(error)
                return
        answer.ok(write_stream(order.stream_id))

    async def _tell(self, stream: _Stream | None, order: Order) -> None:
        """Who asked for a stream here may do with it what he likes. Any other is steered as by a request: as far as scopes allow, and on
        record. Raises what that would be told."""
        if stream is not None and stream.call_id == order.stream_id:
            await self._control(order.stream_id, order.action)
            return
        if not is_stream_id(order.stream_id):
            raise no_stream(order.stream_id)
        reply = DocumentReply(self._asking.door().max_frame_size)
        path = f"/v1/streams/{order.stream_id}/{order.action}"
        message = Message(session=self._channel.session, front=WEBSOCKET, path=path)
        await self._asking.calls.run(message, lambda _call_id, _voice: reply)
        if reply.error is not None:
            raise reply.error

    def _steer_here(self, stream: _Stream, order: Order, error: RunestoneError) -> bool:
        """Whether it is done, although nobody else was told: of a stream that has just begun, or could not be noted, nobody else knows, and
        the call that began one ends it."""
        is_unknown = error.reason is Reason.NOT_FOUND
        if order.action == "cancel":
            self._asking.end(stream.call_id, CANCELLED)
            return is_unknown or stream.call_id == order.stream_id
        if not is_unknown:
            stream.gate.resume()
        return is_unknown

    async def _cancel_elsewhere(self, stream_id: str) -> None:
        try:
            await self._control(stream_id, "cancel")
        except RunestoneError as error:
            if error.reason is not Reason.NOT_FOUND:  # it ended, or had not begun: then it ended with its channel
                self._asking.log.warning("stream not cancelled", stream=stream_id, reason=error.reason)

    async def _control(self, stream_id: str, action: Action) -> None:
        tenant, pause_window = self._channel.session.tenant, self._asking.door().pause_window
        await self._asking.control.control(tenant, stream_id, ACTIONS[action], pause_window=pause_window)

    def _make_gate(self) -> Gate:
        return Gate(self._asking.door().pause_window)


def _hold(gate: Gate, action: Action) -> None:
    """Before anybody else is asked."""
    match action:
        case "pause":
            gate.pause()
        case "resume":
            gate.resume()
        case "cancel":
            gate.end(CANCELLED)
