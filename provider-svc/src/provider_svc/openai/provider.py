"""The provider of kinds `openai` and `openai_compatible`."""

from chassis.clock import Clock
from chassis.config.schema import Provider as ProviderSettings
from chassis.errors import Reason, RunestoneError
from provider_svc.failures import failure_of_status
from provider_svc.openai.request import build_body, wants_usage
from provider_svc.openai.response import read_answer
from provider_svc.openai.stream import Relay
from provider_svc.pouring import pour
from provider_svc.provider import Begun, Chunk, Sink, UpstreamCall
from provider_svc.upstream import MAX_ANSWER, Answer, Upstream

PATH = "/chat/completions"
DOCUMENTS = ("application/json", "text/html")  # not every imitation calls its stream text/event-stream


class OpenAIProvider:
    """Calls Chat Completions. `name` is the provider's in the configuration; `upstream` is closed with it."""

    def __init__(self, name: str, settings: ProviderSettings, upstream: Upstream, clock: Clock) -> None:
        self.name = name
        self._upstream = upstream
        self._clock = clock
        key = settings.api_key
        self._headers = {"authorization": f"Bearer {key.reveal()}"} if key is not None else {}

    async def call(self, call: UpstreamCall, sink: Sink) -> None:
        """See `Provider.call`."""
        body = build_body(call.members, call.model, stream=call.stream)
        async with self._upstream.post(PATH, body, self._headers) as answer:
            if answer.status != 200:
                error = await answer.read_error()
                raise failure_of_status(answer.status, answer.headers, error, self._clock.time())
            sink.accept(Begun(answer.status, answer.header(b"x-request-id")))
            if not call.stream:
                sink.add(await _read_document(answer, call))
                return
            await _check_streams(answer, call)
            relay = Relay(call.meter, sink.add, strips_usage=not wants_usage(call.members))
            await pour(answer, relay, sink)
            relay.end()
            await answer.finish()

    async def close(self) -> None:
        """Closes the connections."""
        await self._upstream.close()

    def __repr__(self) -> str:
        return f"OpenAIProvider({self.name}, {self._upstream!r})"


async def _read_document(answer: Answer, call: UpstreamCall) -> Chunk:
    document = await answer.read(MAX_ANSWER)
    read_answer(document, call.meter)
    return Chunk(document, (len(document),))


async def _check_streams(answer: Answer, call: UpstreamCall) -> None:
    """Raises when a stream was asked for and a document came: what its error object says, or PROVIDER_INVALID_ANSWER."""
    if answer.header(b"content-type").startswith(DOCUMENTS):
        read_answer(await answer.read(MAX_ANSWER), call.meter)
        raise RunestoneError(
            Reason.PROVIDER_INVALID_ANSWER,
            "the provider answered a streaming call with one document",
            upstream_status=200,
        )
