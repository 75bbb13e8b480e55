"""`GatewayService`: protos in, a call through its pipeline, protos out."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import grpc.aio
from grpc_status import rpc_status

from chassis.errors import Reason, RunestoneError, to_status
from chassis.limiter import ConcurrencyLimiter
from chassis.logs import Logger
from gateway_edge.call import Outcome
from gateway_edge.callers.session import Session
from gateway_edge.endpoints.voice import Voice
from gateway_edge.grpc_door.answer import write_completed, write_failed
from gateway_edge.grpc_door.line import Context, RpcLine
from gateway_edge.grpc_door.opening import Opening
from gateway_edge.grpc_door.question import Asked, check_size, read_address, read_first, read_headers
from gateway_edge.grpc_door.reply import GrpcReply
from gateway_edge.grpc_door.steering import Steering, Streams
from gateway_edge.messages.calls import MessageCalls
from gateway_edge.messages.gate import Gate
from gateway_edge.messages.message import Message
from gateway_edge.policy import Policy
from runestone.gateway.v1.gateway_pb2_grpc import GatewayServiceServicer

FRONT = "grpc"


class GatewayServicer(GatewayServiceServicer):
    """Runs each rpc as one call. An rpc that is cancelled cancels its call, or, of a resumable stream, leaves it. `limiter` bounds those whose
    caller is known, `lobby` those that have said nothing yet."""

    def __init__(
        self,
        calls: MessageCalls,
        opening: Opening,
        streams: Streams,
        *,
        policy: Callable[[], Policy],
        limiter: ConcurrencyLimiter,
        lobby: ConcurrencyLimiter,
        log: Logger,
    ) -> None:
        self._calls = calls
        self._opening = opening
        self._streams = streams
        self._policy = policy
        self._limiter = limiter
        self._lobby = lobby
        self._log = log

    async def Call(self, _requests: Any, context: Context) -> None:  # type: ignore[override]  # noqa: N802  the rpc's name; it writes, not yields
        """One call, from its first message to its last."""
        line = RpcLine(context)
        try:
            asked = await self._read(line, context)
            session = await self._opening.open(asked, read_address(context.peer()))
            with self._limiter:
                await self._serve(line, asked, session)
        except grpc.aio.AbortError:
            raise
        except ConnectionError:
            return  # the caller is gone
        except RunestoneError as error:
            await _abort(context, error)
        except Exception:  # noqa: BLE001  the outermost border of the rpc
            self._log.exception("rpc crashed", method="GatewayService/Call")
            await _abort(context, RunestoneError(Reason.INTERNAL, "internal error; the gateway's log has the details"))
        finally:
            await line.close()

    async def _read(self, line: RpcLine, context: Context) -> Asked:
        """The first message. Who says nothing takes no caller's place, only one of the `lobby`."""
        edge = self._policy().settings.edge
        with self._lobby:
            first = await line.read_first(edge.protection.header_timeout)
        asked = read_first(first, read_headers(context.invocation_metadata() or (), context.time_remaining()))
        check_size(asked, edge.http.max_body)
        return asked

    async def _serve(self, line: RpcLine, asked: Asked, session: Session) -> None:
        reply = GrpcReply(line.write, Gate(self._policy().settings.edge.websocket.pause_window), asked.after_seq)
        steering = Steering(line, reply.gate, self._streams, session.tenant, partial(self._may_use, session))
        try:
            outcome = await self._answer(_write_message(session, asked), reply, steering, asked)
        except RunestoneError as error:
            if not reply.has_begun:
                raise
            await line.write_last(write_failed(error, reply.last_seq))
        else:
            await line.write(write_completed(outcome))

    def _may_use(self, session: Session, model: str) -> bool:
        """A stream may be steered before it is found out whether it may be read."""
        return session.find(self._policy()).scope.allows_model(model)

    async def _answer(self, message: Message, reply: GrpcReply, steering: Steering, asked: Asked) -> Outcome:
        """How the call ended, when it was whole. Raises what it failed with."""

        def take_reply(call_id: str, voice: Voice) -> GrpcReply:
            reply.voice = voice
            steering.stream_id = asked.stream_id or (call_id if asked.is_resumable else "")
            return reply

        outcome = await _steered(self._calls.run(message, take_reply), steering)
        if reply.error is not None and not reply.is_whole:
            raise reply.error
        return outcome


def _write_message(session: Session, asked: Asked) -> Message:
    return Message(
        session=session,
        front=FRONT,
        method=asked.method,
        path=asked.path,
        query=asked.query,
        headers=asked.headers,
        body=asked.body,
    )


async def _steered(answering: Coroutine[None, None, Outcome], steering: Steering) -> Outcome:
    """What `answering` gives, unless the caller ends it. However this ends, the call is over, down to the provider's socket."""
    answer, obedience = asyncio.create_task(answering), asyncio.create_task(steering.obey())
    try:
        await asyncio.wait((answer, obedience), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            obedience.result()
            await asyncio.wait((answer,))
        return answer.result()
    finally:
        answer.cancel()
        obedience.cancel()
        await asyncio.gather(answer, obedience, return_exceptions=True)


async def _abort(context: Context, error: RunestoneError) -> None:
    await context.abort_with_status(rpc_status.to_status(to_status(error)))
