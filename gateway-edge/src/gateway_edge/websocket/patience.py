"""How long a peer may be silent, and a message be coming. Pure."""

from gateway_edge.websocket.terms import Terms

NEVER = float("inf")


class Patience:
    """One connection's. Times are the loop's, in seconds. Where nothing that is spoken has heartbeats (`Terms.is_probed`), a silent peer is asked
    whether it is there half-way."""

    __slots__ = ("_message_until", "_terms", "_was_probed")

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._message_until = NEVER
        self._was_probed = False

    @property
    def may_probe(self) -> bool:
        """Whether a peer that is silent now is to be asked first."""
        return self._terms.is_probed and not self._was_probed and self._message_until == NEVER

    def hear(self, now: float, *, is_between: bool) -> float:
        """Something was heard, `is_between` two messages or in the middle of one: until when that lasts."""
        if is_between:
            self._message_until = NEVER
        elif self._message_until == NEVER:
            self._message_until = now + self._terms.message_time
        self._was_probed = False
        silence = self._terms.silence / 2 if self._terms.is_probed else self._terms.silence
        return min(now + silence, self._message_until)

    def probe(self, now: float) -> float:
        """The peer is asked: until when it may take to answer."""
        self._was_probed = True
        return now + self._terms.silence / 2

    def hold(self) -> float:
        """Nothing is read from the peer: it cannot be heard."""
        self._message_until = NEVER
        return NEVER
