"""What a stream comes to as it passes, for a call that ends before provider-svc has said it: a client that leaves cancels the rpc, and
never hears the end of it. Pure."""

from collections.abc import Sequence
from typing import Protocol

from chassis.billing.estimate import Passed, fill_in
from chassis.billing.price import cost_of
from gateway_edge.call import Outcome
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import Accepted, CallEvent, Completed, Data, Failed


class Said(Protocol):
    """What comes at a time."""

    @property
    def events(self) -> Sequence[CallEvent]:
        """At least one."""


class Tab:
    """One stream's. `question` is the body that is asked. What stands on it is the caller's who asked: one that shares another's call
    owes nothing."""

    __slots__ = ("_accepted", "_latest", "_passed", "_question", "_usage")

    def __init__(self, question: bytes) -> None:
        self._question = question
        self._accepted: Accepted | None = None
        self._usage: Usage | None = None
        self._passed = Passed()
        self._latest: Said | None = None

    def open(self, accepted: Accepted) -> None:
        """The answer has begun, at the rates that it says."""
        self._accepted = accepted

    def receive(self, response: Said) -> None:
        """The last message that came, of which the client may have been sent a part."""
        self._latest = response

    def note(self, data: Data, body: bytes) -> None:
        """What passes, with `body` its bytes."""
        self._passed.add(body)
        if data.HasField("usage"):
            self._usage = data.usage

    def settle(self, outcome: Outcome) -> None:
        """Writes down what the call came to, when its end was not taken: what the provider had counted, at least what passed."""
        accepted = self._accepted
        if accepted is None or accepted.coalesced or accepted.content_type:
            return
        end = self._find_end()
        if end is not None and end.HasField("usage"):
            outcome.usage, outcome.cost = end.usage, end.cost if end.HasField("cost") else None
            return
        outcome.usage = fill_in(self._usage, (self._question,), self._passed)
        outcome.cost = cost_of(accepted.rates if accepted.HasField("rates") else None, outcome.usage)

    def _find_end(self) -> Completed | Failed | None:
        """The end of the call, where it came together with what the client did not take."""
        events = self._latest.events if self._latest is not None else ()
        for event in events:
            match event.WhichOneof("event"):
                case "completed":
                    return event.completed
                case "failed":
                    return event.failed
        return None
