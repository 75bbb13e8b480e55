"""The borders of frames in a stream of bytes (RFC 9113, section 4.1), for two things that the h2 library does in its own way.

It takes a connection for closed when it has heard GOAWAY, and would refuse the rest of the answers that are under way; and it gathers
a frame of up to 16 MiB before it looks whether one may be so large.
"""

from typing import NamedTuple

HEADER = 9
GOAWAY = 7
LONGEST = 16 << 10  # bytes of a frame, as nothing else was ever allowed (RFC 9113, section 4.2)


class Goaway(NamedTuple):
    """The server begins nothing any more. Requests above `last_stream` were not and will not be begun (RFC 9113, section 6.8)."""

    last_stream: int


class Sieve:
    """Parts GOAWAY frames from all others, and bounds their size."""

    def __init__(self) -> None:
        self._rest = 0  # bytes of the current frame that are still to come, and pass
        self._held = b""  # the begin of a frame that cannot be told yet

    def sift(self, data: bytes) -> tuple[bytes, list[Goaway]]:
        """The bytes to hand on, and what was said in the frames that were taken out. Raises ValueError for a frame of a
        size that is not allowed."""
        if len(data) <= self._rest:
            self._rest -= len(data)
            return data, []
        data, position = self._held + data, self._rest
        self._held, self._rest = b"", 0
        kept, begin, found = [], 0, []
        while position + HEADER <= len(data):
            length = int.from_bytes(data[position : position + 3], "big")
            if length > LONGEST:
                raise ValueError("a frame that is too large")
            end = position + HEADER + length
            if data[position + 3] == GOAWAY:
                kept.append(data[begin:position])
                begin = position
                if end > len(data):
                    break
                found.append(_read(data[position + HEADER : end]))
                begin = end
            position = end
        else:
            return self._finish(data, begin, position, kept, found)
        self._held = data[position:]
        return b"".join(kept), found

    def _finish(
        self, data: bytes, begin: int, position: int, kept: list[bytes], found: list[Goaway]
    ) -> tuple[bytes, list[Goaway]]:
        """What is left: a part of a frame that passes, or of a header that is held."""
        if position > len(data):
            self._rest = position - len(data)
            kept.append(data[begin:])
        else:
            self._held = data[position:]
            kept.append(data[begin:position])
        return (data if kept[0] is data else b"".join(kept)), found


def _read(payload: bytes) -> Goaway:
    if len(payload) < 8:
        raise ValueError("a GOAWAY frame that is too small")
    return Goaway(int.from_bytes(payload[:4], "big") & 0x7FFFFFFF)
