"""The door over a real gRPC connection, with fakes behind it: what it asks of the pipelines and of resumable streams."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from chassis.config import Settings
from chassis.errors import Reason, RunestoneError
from chassis.globs import Globs
from chassis.limiter import ConcurrencyLimiter
from chassis.logs import get_logger
from gateway_edge.call import Outcome
from gateway_edge.callers.scopes import Scope
from gateway_edge.callers.session import Session
from gateway_edge.callers.tenants import Principal
from gateway_edge.endpoints.voices import OPENAI
from gateway_edge.grpc_door.reply import GrpcReply
from gateway_edge.grpc_door.servicer import GatewayServicer
from gateway_edge.messages.message import Message
from runestone.gateway.v1.gateway_pb2 import Attach, CallRequest, CallResponse, Control, Open
from runestone.gateway.v1.gateway_pb2_grpc import GatewayServiceStub, add_GatewayServiceServicer_to_server
from runestone.provider.v1.provider_pb2 import ControlRequest, ControlResponse

EVENT = b"data: {}\n\n"
PATIENCE = 10.0

Answer = Callable[[GrpcReply], Awaitable[None]]


class FakeCalls:
    """Answers with `answer`, and keeps what was asked and how many were cancelled."""

    def __init__(self) -> None:
        self.asked: list[Message] = []
        self.cancelled = 0
        self.answer: Answer = answer_for_ever

    async def run(self, message: Message, make_reply: Callable[[str, Any], GrpcReply]) -> Outcome:
        self.asked.append(message)
        reply = make_reply("req_1", OPENAI)
        reply.headers["x-request-id"] = "req_1"
        try:
            await self.answer(reply)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Outcome(error=reply.error)


class FakeStreams:
    """Knows `known`, and keeps what was done to it. What is cancelled ends as provider-svc ends it: for who reads it."""

    def __init__(self, calls: FakeCalls) -> None:
        self.known: set[str] = set()
        self.done: list[tuple[str, str, int]] = []
        self.ended = asyncio.Event()
        self._calls = calls

    async def control(
        self,
        tenant: str,
        stream_id: str,
        action: ControlRequest.Action.ValueType,
        *,
        pause_window: float,
        may_use: Callable[[str], bool],
    ) -> ControlResponse:
        assert pause_window == Settings().edge.websocket.pause_window
        self.done.append((tenant, stream_id, action))
        self.may_use = [model for model in ("simulated", "gpt") if may_use(model)]
        if stream_id not in self.known:
            raise RunestoneError(Reason.NOT_FOUND, "no such stream")
        if action == ControlRequest.ACTION_CANCEL:
            self.ended.set()
        return ControlResponse()


class FakeOpening:
    async def open(self, asked: Any, client_address: str) -> Session:
        scope = Scope(models=(Globs(["simulated"]),))
        return Session(Principal(tenant="acme", key="ci", scope=scope), asked.headers, client_address, "v1")


async def answer_for_ever(reply: GrpcReply) -> None:
    while True:
        await reply.write(EVENT)
        await asyncio.sleep(0.001)


async def answer_once(reply: GrpcReply) -> None:
    await reply.send(b"{}")


class Stage:
    def __init__(self) -> None:
        self.calls = FakeCalls()
        self.streams = FakeStreams(self.calls)
        self.limiter = ConcurrencyLimiter(3)
        self.lobby = ConcurrencyLimiter(4)
        self.stub: GatewayServiceStub

    async def read_rest(self, call: Any) -> list[CallResponse]:
        async with asyncio.timeout(PATIENCE):
            messages = []
            while (message := await call.read()) is not grpc.aio.EOF:
                messages.append(message)
            return messages

    async def say(self, *requests: CallRequest) -> Any:
        call = self.stub.Call(timeout=PATIENCE)
        for request in requests:
            await call.write(request)
        return call


class FakePolicy:
    settings = Settings()
    version = "v1"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    servicer = GatewayServicer(
        stage.calls,
        FakeOpening(),
        stage.streams,
        policy=FakePolicy,
        limiter=stage.limiter,
        lobby=stage.lobby,
        log=get_logger("test"),
    )
    server = grpc.aio.server()
    add_GatewayServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stage.stub = GatewayServiceStub(channel)
        yield stage
    await server.stop(None)


OPENING = CallRequest(open=Open(body=b"{}", resumable=True))


def control(action: Control.Action.ValueType) -> CallRequest:
    return CallRequest(control=Control(action=action))


async def test_attaching_goes_on_numbering_where_the_reader_was(stage: Stage) -> None:
    async def answer(reply: GrpcReply) -> None:
        await reply.write(EVENT * 2)
        await reply.close()

    stage.calls.answer = answer
    call = await stage.say(CallRequest(attach=Attach(stream_id="req_9", after_seq=7)))
    await call.done_writing()
    data = [message.data for message in await stage.read_rest(call) if message.WhichOneof("message") == "data"]
    assert [(one.first_seq, list(one.ends)) for one in data] == [(8, [len(EVENT), 2 * len(EVENT)])]
    (message,) = stage.calls.asked
    assert (message.front, message.method, message.path, message.query) == (
        "grpc",
        "GET",
        "/v1/streams/req_9",
        "starting_after=7",
    )


async def test_a_resumable_stream_is_steered_for_all_its_readers(stage: Stage) -> None:
    stage.streams.known = {"req_1"}

    async def answer(reply: GrpcReply) -> None:
        await reply.write(EVENT)
        await stage.streams.ended.wait()
        await reply.fail(RunestoneError(Reason.CANCELLED, "cancelled for all"))

    stage.calls.answer = answer
    call = await stage.say(OPENING)
    await call.read()
    for action in (Control.ACTION_PAUSE, Control.ACTION_RESUME, Control.ACTION_CANCEL):
        await call.write(control(action))
    messages = await stage.read_rest(call)
    assert [action for _, _, action in stage.streams.done] == [
        ControlRequest.ACTION_PAUSE,
        ControlRequest.ACTION_RESUME,
        ControlRequest.ACTION_CANCEL,
    ]
    assert {(tenant, stream_id) for tenant, stream_id, _ in stage.streams.done} == {("acme", "req_1")}
    paused = [message.controlled.paused for message in messages if message.WhichOneof("message") == "controlled"]
    assert paused[:2] == [True, False]
    assert stage.streams.may_use == ["simulated"]
    assert messages[-1].failed.error.message == "cancelled for all"
    assert messages[-1].failed.last_seq == 1


@pytest.mark.parametrize("opening", [OPENING, CallRequest(open=Open(body=b"{}"))], ids=["unknown", "not resumable"])
async def test_a_call_that_is_no_known_stream_is_cancelled_here(stage: Stage, opening: CallRequest) -> None:
    call = await stage.say(opening, control(Control.ACTION_CANCEL))
    try:
        last = (await stage.read_rest(call))[-1].failed.error.message
    except grpc.aio.AioRpcError as error:  # nothing of an answer was sent yet
        last = error.details()
    assert last == "the caller cancelled the call"
    assert stage.calls.cancelled == 1


async def test_whoever_loses_the_rpc_cancels_what_it_runs(stage: Stage) -> None:
    """MessageCalls decides what that means for a resumable stream."""
    call = await stage.say(OPENING)
    await call.read()
    call.cancel()
    async with asyncio.timeout(PATIENCE):
        while not stage.calls.cancelled or stage.limiter.running:
            await asyncio.sleep(0.01)


async def test_a_half_closed_rpc_goes_on(stage: Stage) -> None:
    stage.calls.answer = answer_once
    call = await stage.say(OPENING)
    await call.done_writing()
    kinds = [message.WhichOneof("message") for message in await stage.read_rest(call)]
    assert kinds == ["accepted", "data", "completed"]


async def test_a_large_document_comes_in_parts_that_any_client_takes(stage: Stage) -> None:
    body = bytes(range(256)) * (20 << 10)

    async def answer(reply: GrpcReply) -> None:
        await reply.send(body)

    stage.calls.answer = answer
    messages = await stage.read_rest(await stage.say(OPENING))
    assert b"".join(message.data.body for message in messages) == body
    assert max(message.ByteSize() for message in messages) < 4 << 20


async def test_places_are_bounded_wave_after_wave(stage: Stage) -> None:
    """grpc.aio's own bound has let calls through after its first rejected wave (grpc issue 41531)."""
    for _ in range(3):
        held = [await stage.say(OPENING) for _ in range(3)]
        for call in held:
            await call.read()
        for _ in range(3):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stage.read_rest(await stage.say(OPENING))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for call in held:
            call.cancel()
        async with asyncio.timeout(PATIENCE):
            while stage.limiter.running:
                await asyncio.sleep(0.01)


async def test_who_says_nothing_takes_the_place_of_nobody_who_asks(stage: Stage) -> None:
    silent = [await stage.say() for _ in range(4)]
    async with asyncio.timeout(PATIENCE):
        while stage.lobby.running < 4:
            await asyncio.sleep(0.01)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (await stage.say()).read()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not stage.limiter.running
    for call in silent:
        call.cancel()
    async with asyncio.timeout(PATIENCE):
        while stage.lobby.running:
            await asyncio.sleep(0.01)


async def test_a_crash_is_told_as_internal_and_no_more(stage: Stage) -> None:
    async def answer(_reply: GrpcReply) -> None:
        raise ZeroDivisionError("a secret")

    stage.calls.answer = answer
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stage.read_rest(await stage.say(OPENING))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (caught.value.details() or "")
