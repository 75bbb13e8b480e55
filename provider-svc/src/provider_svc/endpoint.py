"""One endpoint of a provider, in the client's own dialect: where it is, and how its answer is read on its way."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import structs

from chassis.errors import Reason, RunestoneError
from provider_svc.answer import MAX_ANSWER, Answer
from provider_svc.failures import failure_of_status
from provider_svc.pouring import pour
from provider_svc.provider import Begun, Chunk, Meter, Sink, UpstreamCall
from provider_svc.relay import Relay, Watcher

JSON = "application/json"
DOCUMENTS = (JSON, "text/html")  # not every imitation calls its stream text/event-stream
UNNAMED = "application/octet-stream"


class Endpoint(NamedTuple):
    """`path` is below the provider's base URL. `read_document` meters a whole answer and raises what is wrong with it; `watch`
    watches a stream, None where there is none. `is_media`: an answer that is not JSON is no fault, but what was asked for."""

    path: str
    read_document: Callable[[bytes, Meter], None]
    watch: Callable[[UpstreamCall], Watcher] | None = None
    is_media: bool = False


async def bring(endpoint: Endpoint, answer: Answer, begun: Begun, call: UpstreamCall, sink: Sink) -> None:
    """Relays an answer, of which `begun` is known, as the bytes that it is. Raises what `Provider.call` raises."""
    media_type = answer.header(b"content-type")
    if call.stream and endpoint.watch is not None:
        await _check_streams(endpoint, answer, media_type, call)
        sink.accept(begun)
        relay = Relay(endpoint.watch(call), sink.add)
        await pour(answer, relay, sink)
        relay.end()
        await answer.finish()
    elif endpoint.is_media and not _is_document(media_type):
        sink.accept(structs.replace(begun, content_type=media_type or UNNAMED))
        await pour(answer, Blocks(sink), sink)
    else:
        sink.accept(begun)
        document = await answer.read(MAX_ANSWER)
        endpoint.read_document(document, call.meter)
        sink.add(Chunk(document, (len(document),)))


async def refusal(answer: Answer, now: float) -> RunestoneError:
    """What an answer with another status than 200 means; `now` is seconds since the epoch."""
    return failure_of_status(answer.status, answer.headers, await answer.read_error(), now)


class Blocks:
    """What is neither JSON nor events, on its way: each block as it comes. Whether it is whole the wire says."""

    is_done = False

    def __init__(self, sink: Sink) -> None:
        self._add = sink.add

    def feed(self, block: bytes) -> None:
        """Passes it on."""
        self._add(Chunk(block, (len(block),)))


def _is_document(media_type: str) -> bool:
    return media_type.lower().startswith(DOCUMENTS)


async def _check_streams(endpoint: Endpoint, answer: Answer, media_type: str, call: UpstreamCall) -> None:
    """Raises when a stream was asked for and a document came: what its error object says, or PROVIDER_INVALID_ANSWER."""
    if _is_document(media_type):
        endpoint.read_document(await answer.read(MAX_ANSWER), call.meter)
        raise RunestoneError(
            Reason.PROVIDER_INVALID_ANSWER,
            "the provider answered a streaming call with one document",
            upstream_status=200,
        )
