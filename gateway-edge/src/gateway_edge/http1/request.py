"""One request as the connection sees it: its head, and its body as far as it has come."""

from chassis.errors import Reason, RunestoneError

Headers = dict[str, str]


class Request:
    """A request of which the head is whole. `headers` have lower-case names; several of one name are one, joined by
        commas (RFC 9110, section 5.3). `path` is decoded by `read_path`, `raw_path` as it was sent. `fault` is what is wrong
        with the request itself: it is answered with that and nothing else, and its connection ends. `segment` is the request as it
        came, where it came alone and in one piece. One that `asks_upgrade` may be answered by another protocol: what comes behind it is its body
    until then."""

    __slots__ = (
        "_blocks",
        "asks_upgrade",
        "fault",
        "headers",
        "is_http_1_0",
        "is_whole",
        "keeps_alive",
        "method",
        "path",
        "query",
        "raw_path",
        "segment",
        "size",
    )

    def __init__(self, method: str = "", path: str = "/", query: str = "", headers: Headers | None = None) -> None:
        self.method = method
        self.path = path
        self.raw_path = path
        self.query = query
        self.headers: Headers = {} if headers is None else headers
        self.is_http_1_0 = False
        self.keeps_alive = False
        self.is_whole = False
        self.asks_upgrade = False
        self.segment = b""
        self.fault: RunestoneError | None = None
        self.size = 0
        self._blocks: list[bytes] = []

    @property
    def announced_size(self) -> int:
        """Bytes of body that `content-length` promises; 0 when it promises nothing."""
        return int(self.headers.get("content-length", "0"))

    def add(self, block: bytes) -> None:
        """Takes what has come of the body."""
        self._blocks.append(block)
        self.size += len(block)

    def take(self) -> bytes:
        """All of the body that has come and was not taken."""
        blocks, self._blocks = self._blocks, []
        self.size = 0
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def may_hold(self, text: bytes) -> bool:
        """Whether the body has `text` in it; also as long as it is not whole, or came in several pieces."""
        return not self.is_whole or len(self._blocks) != 1 or text in self._blocks[0]

    def spoil(self, message: str) -> None:
        """Notes what is wrong with it; the first fault counts."""
        if self.fault is None:
            self.fault = RunestoneError(Reason.INVALID_REQUEST, message)
        self.keeps_alive = False

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path}, {'whole' if self.is_whole else 'coming'})"
