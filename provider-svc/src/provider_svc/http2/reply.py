"""One answer of a stream, as it arrives. Nothing here knows about frames or sockets."""

from collections.abc import Iterable

from provider_svc.http1.faults import Malformed

STATUS_DIGITS = 3  # RFC 9110, section 15


class Reply:
    """`size` counts the bytes of the body that nobody has taken yet."""

    __slots__ = ("_blocks", "fields", "has_head", "is_whole", "size", "status")

    def __init__(self) -> None:
        self.status = 0
        self.fields: dict[bytes, bytes] = {}
        self.has_head = False
        self.is_whole = False
        self.size = 0
        self._blocks: list[bytes] = []

    def read_head(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        """Takes the fields of a final response; several of one name are one, joined by commas (RFC 9110, section 5.3). Raises
        Malformed."""
        for name, value in fields:
            if name == b":status":
                if not value.isdigit() or len(value) != STATUS_DIGITS:
                    raise Malformed("a status that is none")
                self.status = int(value)
                continue
            before = self.fields.get(name)
            self.fields[name] = value if before is None else before + b", " + value
        self.has_head = True

    def add(self, data: bytes) -> None:
        """A piece of the body."""
        if data:
            self._blocks.append(data)
            self.size += len(data)

    def take(self) -> bytes:
        """What of the body has come and was not taken yet; b"" when nothing has."""
        blocks = self._blocks
        if not blocks:
            return b""
        data = blocks[0] if len(blocks) == 1 else b"".join(blocks)
        blocks.clear()
        self.size = 0
        return data
