"""`session:<id>`: a topic of one member, who asks models and reads what they answer."""

from collections.abc import Callable
from typing import Annotated

import msgspec

from chassis.errors import Reason, RunestoneError
from gateway_edge.channels.channel import Answer, Channel, Joined, Payload
from gateway_edge.channels.streams import Asking, Streams
from gateway_edge.streams.note import is_stream_id

LONGEST_NAME, LONGEST_TRACE = 128, 128
MOST_SEQ = 2**53

Receive = Callable[[Payload, Answer], None]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a join may say: the streams to go on with, each behind the last number that its client has, and the trace that what is asked is
    part of."""

    resume: dict[str, int] = {}
    traceparent: Annotated[str, msgspec.Meta(max_length=LONGEST_TRACE)] = ""


class SessionTopics:
    """Opens sessions. The name is the client's own: nobody else can join what it joined."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def __call__(self, channel: Channel, payload: Payload) -> Joined:
        """Raises INVALID_REQUEST for a name or a wish that is none."""
        if len(channel.name) > LONGEST_NAME or not channel.name.isprintable():
            raise RunestoneError(
                Reason.INVALID_REQUEST, f"a session has a name of 1 to {LONGEST_NAME} printable characters"
            )
        wish = payload.read(Wish)
        check_resume(wish.resume, self._asking.door().max_streams)
        streams = Streams(channel, self._asking, wish.traceparent)
        for stream_id, after in wish.resume.items():
            streams.resume(stream_id, after)
        return Joined(SessionTopic(streams))


class SessionTopic:
    """Handles one."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._events: dict[str, Receive] = {
            "chat:stream": streams.ask,
            "chat:message": streams.ask_whole,
            "stream:control": streams.steer,
        }

    def received(self, event: str, payload: Payload, answer: Answer) -> None:
        """Does what is asked, or answers why not."""
        try:
            self._find(event)(payload, answer)
        except RunestoneError as error:
            answer.error(error)

    def left(self) -> None:
        """Its user is done: what runs is cancelled."""
        self._streams.cancel_all()

    def closed(self) -> None:
        """Its client may come back for its streams."""

    def _find(self, event: str) -> Receive:
        if event not in self._events:
            raise RunestoneError(
                Reason.INVALID_REQUEST, f"a session knows no event `{event[:64]}`", code="unknown_event"
            )
        return self._events[event]


def check_resume(resume: dict[str, int], most: int) -> None:
    """Raises INVALID_REQUEST for what cannot be streams and numbers."""
    if len(resume) > most:
        raise RunestoneError(Reason.INVALID_REQUEST, f"more than {most} streams to resume", param="resume")
    for stream_id, after in resume.items():
        if not 0 <= after <= MOST_SEQ or not is_stream_id(stream_id):
            raise RunestoneError(Reason.INVALID_REQUEST, "`resume` is {<stream_id>: <last seq>}", param="resume")
