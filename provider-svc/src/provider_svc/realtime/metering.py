"""What a session has used, read in passing. Pure."""

import msgspec

from chassis.billing.price import FREE, cost_of
from runestone.common.v1.cost_pb2 import Cost, Rates
from runestone.common.v1.usage_pb2 import Usage

CREATED, DONE = b"session.created", b"response.done"


class InputDetails(msgspec.Struct):
    """Of the tokens read."""

    cached_tokens: int = 0
    audio_tokens: int = 0


class OutputDetails(msgspec.Struct):
    """Of the tokens written."""

    audio_tokens: int = 0


class Counted(msgspec.Struct):
    """`usage` of a response."""

    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: InputDetails = msgspec.field(default_factory=InputDetails)
    output_token_details: OutputDetails = msgspec.field(default_factory=OutputDetails)


class Response(msgspec.Struct):
    """What is read of one."""

    usage: Counted | None = None


class Event(msgspec.Struct):
    """What is read of the provider's events: whatever else they hold passes unread."""

    type: str = ""
    response: Response | None = None


_read = msgspec.json.Decoder(Event)


class Metering:
    """Adds up what responses used, at `rates`; None where those are not known. Sound has prices of its own, which the rates do not tell: a
    session with sound has no cost. `is_created` says that the provider began a session, which before that it only connected."""

    def __init__(self, rates: Rates | None) -> None:
        self.is_created = False
        self.usage: Usage | None = None
        self._rates = rates
        self._has_sound = False

    def see(self, text: bytes) -> bool:
        """Looks at one of the provider's messages; whether it told of more usage."""
        if not self.is_created and CREATED in text:
            self.is_created = _decode(text).type == CREATED.decode()
        if DONE not in text:
            return False
        event = _decode(text)
        counted = event.response.usage if event.type == DONE.decode() and event.response else None
        if counted is None:
            return False
        self._add(counted)
        return True

    @property
    def cost(self) -> Cost | None:
        """Of all that was used so far."""
        if self._rates is FREE:
            return Cost()
        return None if self._has_sound else cost_of(self._rates, self.usage)

    def _add(self, counted: Counted) -> None:
        before = self.usage or Usage(input_tokens=0, output_tokens=0, cache_read_input_tokens=0)
        self.usage = Usage(
            input_tokens=before.input_tokens + counted.input_tokens,
            output_tokens=before.output_tokens + counted.output_tokens,
            cache_read_input_tokens=before.cache_read_input_tokens + counted.input_token_details.cached_tokens,
        )
        self._has_sound |= bool(counted.input_token_details.audio_tokens or counted.output_token_details.audio_tokens)


def _decode(text: bytes) -> Event:
    """An event that is not one is nobody's to count."""
    try:
        return _read.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Event()
