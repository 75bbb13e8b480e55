"""What a caller says while its call runs."""

from collections.abc import Callable
from typing import Protocol

from chassis.errors import Reason, RunestoneError
from gateway_edge.messages.gate import Gate
from runestone.gateway.v1.gateway_pb2 import CallRequest, CallResponse, Control, Controlled
from runestone.provider.v1.provider_pb2 import ControlRequest, ControlResponse

IN_THE_MESH = {
    Control.ACTION_PAUSE: ControlRequest.ACTION_PAUSE,
    Control.ACTION_RESUME: ControlRequest.ACTION_RESUME,
    Control.ACTION_CANCEL: ControlRequest.ACTION_CANCEL,
}


class Streams(Protocol):
    """What is needed of those who know resumable streams: `gateway_edge.streams.control.Streams`."""

    async def control(
        self,
        tenant: str,
        stream_id: str,
        action: "ControlRequest.Action.ValueType",
        *,
        pause_window: float,
        may_use: Callable[[str], bool],
    ) -> ControlResponse:
        """Steers a stream for all its readers, those in this process at once; a pause lasts `pause_window` seconds at the most. Raises
        NOT_FOUND where there is no such stream that could be, or it is of a model that is none of those that the caller `may_use`."""


class Line(Protocol):
    """The rpc's two directions."""

    async def read(self) -> CallRequest | None:
        """What the caller says next; None when it has half-closed."""

    async def write(self, response: CallResponse) -> None:
        """Sends a message behind those that are on their way. Raises ConnectionError when the caller is gone."""


class Steering:
    """Obeys one caller's controls: delivery stops at its `gate` at once. Where the call is a resumable stream, what is done to it is
    done for all its readers, and a gate of that stream's own holds them back. `stream_id` is empty for any other call, and until the call has one."""

    def __init__(self, line: Line, gate: Gate, streams: Streams, tenant: str, may_use: Callable[[str], bool]) -> None:
        self.stream_id = ""
        self._line = line
        self._gate = gate
        self._streams = streams
        self._tenant = tenant
        self._may_use = may_use

    async def obey(self) -> None:
        """Returns when the caller has half-closed. Raises what ends the call: CANCELLED where it was told to, INVALID_REQUEST for what is no
        control, and what steering a stream raises."""
        while (request := await self._line.read()) is not None:
            action = _read_action(request)
            self._obey_here(action)
            if await self._tell_all(action):
                self._gate.resume()
            elif action == Control.ACTION_CANCEL:
                raise RunestoneError(Reason.CANCELLED, "the caller cancelled the call")
            controlled = Controlled(action=action, paused=action == Control.ACTION_PAUSE)
            await self._line.write(CallResponse(controlled=controlled))

    def _obey_here(self, action: Control.Action.ValueType) -> None:
        if action == Control.ACTION_PAUSE:
            self._gate.pause()
        else:
            self._gate.resume()

    async def _tell_all(self, action: Control.Action.ValueType) -> bool:
        """Whether the stream is steered for all; false where this is its only reader: it is no resumable one, or one out of the cache."""
        if not self.stream_id:
            return False
        try:
            await self._streams.control(
                self._tenant,
                self.stream_id,
                IN_THE_MESH[action],
                pause_window=self._gate.window,
                may_use=self._may_use,
            )
        except RunestoneError as error:
            if error.reason is Reason.NOT_FOUND:
                return False
            raise
        return True


def _read_action(request: CallRequest) -> Control.Action.ValueType:
    action = request.control.action if request.WhichOneof("message") == "control" else Control.ACTION_UNSPECIFIED
    if action not in IN_THE_MESH:
        message = "what follows the first message must be `control` with an action that is known"
        raise RunestoneError(Reason.INVALID_REQUEST, message)
    return action
