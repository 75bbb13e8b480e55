"""A provider of embeddings and moderations in memory, and a loop whose time passes only where everybody waits."""

import asyncio
import functools
import hashlib
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import orjson

from chassis.config.providers import Batching as Settings
from chassis.config.units import Duration
from chassis.errors import Reason, RunestoneError
from provider_svc.batching.provider import Batching
from provider_svc.provider import Begun, Chunk, Gathered, UpstreamCall
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_EMBEDDINGS, DIALECT_OPENAI_MODERATIONS
from runestone.common.v1.usage_pb2 import Usage

EMBEDDINGS, MODERATIONS = DIALECT_OPENAI_EMBEDDINGS, DIALECT_OPENAI_MODERATIONS
WINDOW = 0.005
BAD = "bad"  # an input with it is refused


class _Skipping(selectors.DefaultSelector):
    """Skips the time for which the loop would sleep."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None:
            self.passed += max(0.0, timeout)
            timeout = 0
        return super().select(timeout)


class SkippingLoop(asyncio.SelectorEventLoop):
    """Its time begins at 0 and passes only where nothing else is to be done."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.passed


def in_own_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a test on a loop that sleeps for nobody."""

    @functools.wraps(test)
    def run(*args: object, **options: object) -> None:
        with asyncio.Runner(loop_factory=SkippingLoop) as runner:
            runner.run(test(*args, **options))

    return run


def vector(given: object) -> bytes:
    """Numbers as no encoder of ours would write them."""
    digest = hashlib.sha256(orjson.dumps(given)).hexdigest()
    return b"[0.%s0, 1.0E-3,-0.0]" % digest[:8].translate(str.maketrans("abcdef", "123456")).encode()


def inputs_of(call: UpstreamCall) -> list[Any]:
    given = orjson.loads(bytes(call.members["input"]))
    is_list = isinstance(given, list) and not any(isinstance(one, int) for one in given)
    return given if is_list else [given]


class Fake:
    """Answers in the order opposite to the inputs; refuses what holds BAD in words that quote it; `failure` fails everything, and so
    does a `crash`. While `gate` is closed it does not answer; `document` is said instead of its own answer."""

    dialects = frozenset({EMBEDDINGS, MODERATIONS})

    def __init__(self) -> None:
        self.asked: list[UpstreamCall] = []
        self.times: list[float] = []
        self.failure: Exception | None = None
        self.document: bytes | None = None
        self.extra = b""
        self.gate = asyncio.Event()
        self.gate.set()
        self.cancelled = 0
        self.is_closed = False

    async def call(self, call: UpstreamCall, sink: Any) -> None:
        self.asked.append(call)
        self.times.append(asyncio.get_running_loop().time())
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        inputs = inputs_of(call)
        if any(BAD in one for one in inputs if isinstance(one, str)):
            raise RunestoneError(Reason.PROVIDER_REFUSED, f"no: {inputs}", param="input", upstream_status=400)
        sink.accept(Begun(200, "r1"))
        document = self.document if self.document is not None else self._answer(call, inputs)
        sink.add(Chunk(document, (len(document),)))

    def _answer(self, call: UpstreamCall, inputs: list[Any]) -> bytes:
        if call.dialect == MODERATIONS:
            rows = b", ".join(b'{"flagged": false, "score": %b}' % vector(one) for one in inputs)
            return b'{"id": "modr-1", "results": [%b], "model": "%b"}' % (rows, call.model.encode())
        rows = b", ".join(
            b'{"object": "embedding", "embedding": %b, "index": %d}' % (vector(one), place)
            for place, one in reversed(list(enumerate(inputs)))
        )
        tokens = sum(len(one) for one in inputs)
        call.meter.usage = Usage(input_tokens=tokens)
        used = b'{"prompt_tokens": %d, "total_tokens": %d}' % (tokens, tokens)
        return b'{"object": "list", "data": [%b], "model": "theirs", "usage": %b%b}' % (rows, used, self.extra)

    async def close(self) -> None:
        self.is_closed = True


def call_of(given: object = "hello", *, dialect=EMBEDDINGS, model="theirs", headers=None, **members: object):
    body = {"model": "ours", "input": given, **members}
    raw = msgspec.json.decode(orjson.dumps(body), type=dict[str, msgspec.Raw])
    return UpstreamCall(
        call_id="c", model=model, stream=False, members=raw, dialect=dialect, headers=headers or {"openai-beta": "b"}
    )


def open_batching(max_items: int = 64, **options: Any) -> tuple[Batching, Fake]:
    fake = Fake()
    return Batching(fake, Settings(window=Duration(WINDOW), max_items=max_items), **options), fake


async def ask(provider: Any, call: UpstreamCall) -> bytes:
    """The whole document."""
    gathered = Gathered()
    await provider.call(call, gathered)
    begun, chunk = gathered.steps
    assert begun == Begun(200, "r1")
    assert chunk.ends == (len(chunk.body),)
    return chunk.body


async def ask_all(provider: Any, calls: list[UpstreamCall]) -> list[bytes | BaseException]:
    """Each one's document or failure, all asked at the same moment."""
    return await asyncio.gather(*(ask(provider, call) for call in calls), return_exceptions=True)


async def begin(provider: Any, calls: list[UpstreamCall], seconds: float = 0.0) -> list[asyncio.Task[bytes]]:
    """Calls that have begun, `seconds` ago."""
    tasks = [asyncio.create_task(ask(provider, call)) for call in calls]
    await asyncio.sleep(0)
    if seconds:
        await asyncio.sleep(seconds)
    return tasks
