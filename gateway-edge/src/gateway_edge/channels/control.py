"""What a client may do with a stream: pause it, go on, end it."""

from typing import Annotated, Literal, Protocol

import msgspec

from runestone.provider.v1.provider_pb2 import ControlRequest

Action = Literal["pause", "resume", "cancel"]

LONGEST_ID = 128  # characters of a stream's id

ACTIONS: dict[Action, "ControlRequest.Action.ValueType"] = {
    "pause": ControlRequest.ACTION_PAUSE,
    "resume": ControlRequest.ACTION_RESUME,
    "cancel": ControlRequest.ACTION_CANCEL,
}


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of `stream:control`."""

    stream_id: Annotated[str, msgspec.Meta(max_length=LONGEST_ID)]
    action: Action


class Control(Protocol):
    """Reaches a tenant's streams wherever they run."""

    async def control(
        self, tenant: str, stream_id: str, action: "ControlRequest.Action.ValueType", *, pause_window: float
    ) -> object:
        """A pause ends with its stream after `pause_window` seconds. Raises NOT_FOUND where that tenant has no such stream, UNAVAILABLE when
        it cannot be reached."""
