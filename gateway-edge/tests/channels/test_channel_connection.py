"""A connection of channels: what its handlers do and fail to do, and who is told."""

import asyncio

import pytest
from channels.channel_stage import Stage

from chassis.errors import Reason, RunestoneError
from gateway_edge.channels.channel import Answer, Channel, Joined, Payload
from gateway_edge.channels.door import check_version


class Echo:
    """Answers with what it gets; notes how it ends."""

    def __init__(self, channel: Channel, endings: list[str]) -> None:
        self.channel = channel
        self.endings = endings

    def received(self, event: str, payload: Payload, answer: Answer) -> None:
        match event:
            case "raise":
                raise ZeroDivisionError
            case "fail":
                self.channel.spawn(self.fail())
            case "close":
                self.channel.close()
            case "twice":
                answer.ok()
                answer.error(RunestoneError(Reason.INTERNAL, "never"))
            case "binary":
                answer.ok_binary(payload.data)
                self.channel.push_binary("back", payload.data)
            case "refuse":
                answer.error(RunestoneError(Reason.RATE_LIMITED, "slowly", retry_after=1.5))
            case _:
                answer.ok(payload.data)

    async def fail(self) -> None:
        raise ZeroDivisionError

    def left(self) -> None:
        self.endings.append("left")

    def closed(self) -> None:
        self.endings.append("closed")


class Echoes:
    """Opens them; a join that says so waits or is refused."""

    def __init__(self) -> None:
        self.endings: list[str] = []
        self.go_on = asyncio.Event()

    async def __call__(self, channel: Channel, payload: Payload) -> Joined:
        match payload.read(dict[str, str]).get("do"):
            case "wait":
                await self.go_on.wait()
            case "refuse":
                raise RunestoneError(Reason.PERMISSION_DENIED, "not here")
            case "raise":
                raise ZeroDivisionError
        return Joined(Echo(channel, self.endings), b'{"hello":1}')


@pytest.fixture
def echoes() -> Echoes:
    return Echoes()


@pytest.fixture
def stage(echoes: Echoes) -> Stage:
    return Stage(kinds={"session": echoes})


async def test_join_message_and_leave_are_answered(stage: Stage, echoes: Echoes):
    assert await stage.join() == {"status": "ok", "response": {"hello": 1}}
    assert await stage.push("event", {"a": [1]}, "2") == {"status": "ok", "response": {"a": [1]}}
    assert await stage.push("phx_leave", {}, "3") == {"status": "ok", "response": {}}
    assert stage.events("phx_close") == [{}]
    assert echoes.endings == ["left"]


async def test_messages_that_come_before_the_join_is_answered_are_answered_behind_it(stage: Stage, echoes: Echoes):
    stage.say("1", "1", "session:a", "phx_join", {"do": "wait"})
    stage.say("1", "2", "session:a", "event", {"early": True})
    await asyncio.sleep(0)
    assert stage.socket.sent == []
    echoes.go_on.set()
    await stage.reply("2")
    assert [frame[1] for frame in stage.socket.sent] == ["1", "2"]


async def test_refused_join_says_why(stage: Stage):
    refused = await stage.join(payload={"do": "refuse"})
    assert refused["status"] == "error"
    assert refused["response"]["reason"] == "permission_denied"
    assert refused["response"]["status"] == 403
    assert refused["response"]["error"]["message"] == "not here"


async def test_join_that_crashes_is_refused_and_logged(stage: Stage):
    assert (await stage.join(payload={"do": "raise"}))["response"] == {"reason": "join crashed"}
    assert [line["event"] for line in stage.log] == ["channel crashed"]


@pytest.mark.parametrize("event", ["raise", "fail"])
async def test_crash_of_a_handler_or_its_task_ends_that_channel_alone(stage: Stage, echoes: Echoes, event: str):
    await stage.join("session:a", ref="1")
    await stage.join("session:b", ref="2")
    stage.say("1", "3", "session:a", event, {})
    assert await stage.event("phx_error") == [{"reason": "channel_crash"}]
    assert echoes.endings == ["closed"]
    assert [line["topic"] for line in stage.log] == ["session:a"]
    assert (await stage.push("event", {}, "4", "session:b", "2"))["status"] == "ok"
    assert (await stage.push("event", {}, "5", "session:a"))["response"] == {"reason": "unmatched topic"}


async def test_handler_may_close_its_channel(stage: Stage, echoes: Echoes):
    await stage.join()
    stage.say("1", "2", "session:a", "close", {})
    assert await stage.event("phx_close") == [{}]
    assert echoes.endings == ["closed"]


async def test_answers_are_given_once(stage: Stage):
    await stage.join()
    assert await stage.push("twice", {}, "2") == {"status": "ok", "response": {}}
    assert len(stage.socket.sent) == 2


async def test_refusals_say_exactly_when_to_try_again(stage: Stage):
    await stage.join()
    response = (await stage.push("refuse", {}, "2"))["response"]
    assert response == {
        "reason": "rate_limited",
        "error": {"message": "slowly", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"},
        "status": 429,
        "retry_after_ms": 1500,
    }


async def test_binary_is_answered_and_pushed_in_binary(stage: Stage):
    await stage.join()
    names = b"12session:abinary"
    stage.connection.received(b"\x00\x01\x01\x09\x06" + names + b"\xff\x00")
    assert stage.socket.binary == [
        b"\x01\x01\x01\x09\x0212session:aok\xff\x00",
        b"\x00\x01\x09\x041session:aback\xff\x00",
    ]


async def test_connection_that_is_lost_ends_every_handler_and_join(stage: Stage, echoes: Echoes):
    await stage.join("session:a", ref="1")
    stage.say("2", "2", "session:b", "phx_join", {"do": "wait"})
    await asyncio.sleep(0)
    stage.lose()
    assert echoes.endings == ["closed"]
    echoes.go_on.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [frame[1] for frame in stage.socket.sent] == ["1"]


async def test_second_join_closes_the_first_without_leaving_it(stage: Stage, echoes: Echoes):
    await stage.join()
    await stage.join(ref="9")
    assert echoes.endings == ["closed"]


async def test_what_is_no_frame_closes_the_connection(stage: Stage):
    stage.connection.received("no frame")
    assert stage.socket.closed_with == (1008, "a frame is [join_ref, ref, topic, event, payload]")


async def test_draining_is_said_and_no_channel_closed(stage: Stage, echoes: Echoes):
    """The JavaScript client would not join a closed one again."""
    await stage.join()
    stage.connection.drain()
    assert stage.socket.sent[-1] == [None, None, "phoenix", "phx_drain", {}]
    assert echoes.endings == []


async def test_joins_are_paced(echoes: Echoes):
    stage = Stage(kinds={"session": echoes}, max_joins_per_second=2)
    joined = [await stage.join(f"session:{number}", ref=str(number)) for number in range(3)]
    assert [reply["status"] for reply in joined] == ["ok", "ok", "error"]
    assert joined[2]["response"] == {"reason": "too many joins"}
    stage.clock.advance(0.5)
    assert (await stage.join("session:3", ref="3"))["status"] == "ok"


def test_only_version_two_is_spoken():
    for version in ("2.0.0", "2.0.1"):
        check_version({"vsn": version})
    for parameters in ({}, {"vsn": "1.0.0"}, {"vsn": "20.0.0"}, {"vsn": ""}):
        with pytest.raises(RunestoneError) as refused:
            check_version(parameters)
        assert refused.value.reason is Reason.PERMISSION_DENIED
