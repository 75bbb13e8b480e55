"""What is asked: bodies of about 700 bytes, as an SDK would send them."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from bench.targets import KEY

FILLER = "Please explain, in plain words and with one example, how a gateway relays a stream of tokens. " * 6


@dataclass(frozen=True)
class Case:
    """One kind of load. `unit` is what the CPU is divided by: answers or events."""

    name: str
    ask: Callable[[int], bytes]
    connections: int
    seconds: float
    unit: str = "answers"


def request(
    number: int | None, *, stream: bool = False, model: str = "burst", path: str = "/v1/chat/completions"
) -> bytes:
    """The n-th question, each its own; None: always the same one, which the cache answers."""
    content = FILLER if number is None else f"{number}: {FILLER}"
    document = {"model": model, "messages": [{"role": "user", "content": content}], "temperature": 0, "stream": stream}
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


CASES = (
    Case("unary", request, connections=32, seconds=4),
    Case("cached", lambda _number: request(None), connections=32, seconds=3),
    Case("burst", lambda number: request(number, stream=True), connections=16, seconds=4, unit="events"),
    Case("paced", lambda number: request(number, stream=True, model="paced"), connections=64, seconds=5, unit="events"),
)
