"""Server-sent events as bytes: cutting a stream into whole events, and reading one (WHATWG HTML, section 9.2).

Relayed bytes are never taken apart: the splitter only says where events end, so that all that are there travel together.
"""

from chassis.errors import Reason, RunestoneError
from chassis.sse import LONGEST_BLANK_LINE, find_ends
from provider_svc.provider import Chunk

MAX_EVENT = 16 << 20  # bytes; a larger event is not a chat chunk but a fault or an attack

_BOM = b"\xef\xbb\xbf"


class Splitter:
    """Cuts one upstream's byte stream into whole events, whatever way the network cut it."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._rest = bytearray()
        self._may_have_bom = True

    @property
    def rest(self) -> bytes:
        """What has come of an event that has not ended."""
        return bytes(self._rest)

    def feed(self, block: bytes) -> Chunk | None:
        """All events that are whole now; None when none is.

        Raises PROVIDER_INVALID_ANSWER for an event larger than the bound.
        """
        if self._may_have_bom and (block := self._strip_bom(block)) == b"":
            return None
        held = len(self._rest)
        if not held and self._is_one_event(block):
            return Chunk(block, (len(block),))
        data: bytes | bytearray = block
        if held:
            self._rest += block
            data = self._rest
        ends = find_ends(data, max(0, held - LONGEST_BLANK_LINE + 1))
        last = ends[-1] if ends else 0
        self._check_sizes(len(data), ends)
        whole = Chunk(bytes(data[:last]), tuple(ends)) if ends else None
        if not held:
            self._rest += block[last:]
        else:
            del self._rest[:last]
        return whole

    def _is_one_event(self, block: bytes) -> bool:
        """Whether `block` is just that: so comes nearly every event of a provider that has its model's pace."""
        size = len(block)
        return size > 2 and block.find(b"\n\n") == size - 2 and size <= self._max_event and b"\r" not in block

    def _strip_bom(self, block: bytes) -> bytes:
        """`block` with what was held before it, less a byte order mark; empty while that is not certain."""
        start = bytes(self._rest) + block
        self._rest.clear()
        if len(start) < len(_BOM) and _BOM.startswith(start):
            self._rest += start
            return b""
        self._may_have_bom = False
        return start.removeprefix(_BOM)

    def _check_sizes(self, size: int, ends: list[int]) -> None:
        if size <= self._max_event:
            return
        largest = max(end - start for start, end in zip([0, *ends], [*ends, size], strict=True))
        if largest > self._max_event:
            raise RunestoneError(
                Reason.PROVIDER_INVALID_ANSWER, f"the provider sent an event larger than {self._max_event} bytes"
            )
