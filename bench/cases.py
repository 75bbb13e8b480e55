"""What is asked: bodies of about 700 bytes, as an SDK would send them."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import orjson

from bench.targets import Manner

FILLER = "Please explain, in plain words and with one example, how a gateway relays a stream of tokens. " * 6
TURN = "What was said before stands in every question of an agent, with all that its tools gave. " * 11
DIGITS = 12
_numbers = itertools.count()  # one for the whole run: no question is asked twice, unless it is meant to be

Ask = Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of load, in a closed loop of `connections`; times in seconds. CPU is divided by events where it streams,
    else by answers. `stagger` spreads the connections' starts, so that paced streams do not beat as one. `turns` before the last
    one are a kilobyte each."""

    name: str
    connections: int
    seconds: float
    warm_up: float = 0.5
    model: str = "burst"
    is_stream: bool = False
    is_cached: bool = False
    stagger: float = 0.0
    turns: int = 0

    def questions(self, manner: Manner) -> Ask:
        """Each call gives the next request, whole."""
        if self.is_cached:
            same = write_request(manner, self, 0)
            return lambda: same
        head, _, tail = write_request(manner, self, 10**DIGITS - 1).partition(b"9" * DIGITS)
        return lambda: b"%b%0*d%b" % (head, DIGITS, next(_numbers), tail)


def write_request(manner: Manner, case: Case, number: int) -> bytes:
    """The n-th question as bytes on the wire."""
    question = {"role": "user", "content": f"{number:0{DIGITS}}: {FILLER}"}
    earlier = [{"role": ("user", "assistant")[turn % 2], "content": TURN} for turn in range(case.turns)]
    document = {"model": case.model, "messages": [*earlier, question], "temperature": 0, "stream": case.is_stream}
    body = orjson.dumps(document | dict(manner.cached if case.is_cached else {}))
    headers = {"host": "bench", "content-type": "application/json", "content-length": str(len(body)), **manner.headers}
    lines = [f"POST {manner.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


UNARY = Case(name="unary", connections=32, seconds=2.5, warm_up=1.0)  # the first: whatever is lazy is done here
CACHED = Case(name="cached", connections=32, seconds=1.5, is_cached=True)
BURST = Case(name="burst", connections=16, seconds=2, is_stream=True)
PACED = Case(name="paced", connections=64, seconds=2, warm_up=1.3, stagger=1, is_stream=True, model="paced")
CASES = (UNARY, CACHED, BURST, PACED)


def ask_once(manner: Manner) -> bytes:
    """A question of its own, to see whether a gateway answers."""
    return UNARY.questions(manner)()


def shorten(case: Case) -> Case:
    """The same where there is little to find out: the upstream itself is fast, and needs no warming."""
    return replace(case, seconds=min(case.seconds, 1.0), warm_up=0.3) if not case.stagger else case
