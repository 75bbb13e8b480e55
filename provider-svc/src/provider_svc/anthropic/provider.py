"""The provider of kind `anthropic`: its own API as bytes, and OpenAI chat clients on it."""

import msgspec

from chassis.clock import Clock
from chassis.config.presets import list_dialects
from chassis.config.schema import Provider as ProviderSettings
from provider_svc.anthropic.endpoints import ENDPOINTS
from provider_svc.anthropic.members import wants_usage
from provider_svc.anthropic.relay import Relay
from provider_svc.anthropic.request import messages_body
from provider_svc.anthropic.response import chat_completion
from provider_svc.anthropic.stream import ChatStream
from provider_svc.client_headers import pick
from provider_svc.dialect_names import find_dialects
from provider_svc.endpoint import bring, refusal
from provider_svc.pouring import pour
from provider_svc.provider import Begun, Chunk, Sink, UpstreamCall
from provider_svc.upstream import MAX_ANSWER, Answer, Upstream
from runestone.common.v1.dialect_pb2 import DIALECT_ANTHROPIC_MESSAGES, DIALECT_OPENAI_CHAT

# The last version that takes temperature and top_p, on the models that have them; 2026-10-21 refuses both on all.
VERSION = "2023-06-01"
CLIENT_HEADERS = frozenset({"anthropic-version", "anthropic-beta"})


class AnthropicProvider:
    """Relays calls in Anthropic's dialects. `name` is the provider's in the configuration; `upstream` is closed with it."""

    def __init__(self, name: str, settings: ProviderSettings, upstream: Upstream, clock: Clock) -> None:
        self.name = name
        self.dialects = find_dialects(list_dialects(settings)) | {DIALECT_OPENAI_CHAT}
        self._upstream = upstream
        self._clock = clock
        key = settings.api_key
        self._headers = {"anthropic-version": VERSION} | ({"x-api-key": key.reveal()} if key is not None else {})

    async def call(self, call: UpstreamCall, sink: Sink) -> None:
        """See `Provider.call`."""
        if call.dialect == DIALECT_OPENAI_CHAT:
            await self._chat(call, sink)
            return
        endpoint = ENDPOINTS[call.dialect]
        body = msgspec.json.encode({**call.members, "model": call.model})
        headers = pick(self._headers, call.headers, CLIENT_HEADERS)
        async with self._upstream.post(endpoint.path, body, headers) as answer:
            if answer.status != 200:
                raise await refusal(answer, self._clock.time())
            await bring(endpoint, answer, Begun(answer.status, answer.header(b"request-id")), call, sink)

    async def _chat(self, call: UpstreamCall, sink: Sink) -> None:
        """Raises INVALID_REQUEST, before anything is sent, for what cannot be translated."""
        wanted = wants_usage(call.members)
        body = messages_body(call.members, model=call.model, stream=call.stream)
        async with self._upstream.post(ENDPOINTS[DIALECT_ANTHROPIC_MESSAGES].path, body, self._headers) as answer:
            if answer.status != 200:
                raise await refusal(answer, self._clock.time())
            sink.accept(Begun(answer.status, answer.header(b"request-id")))
            if not call.stream:
                sink.add(await self._read_document(answer, call))
                return
            stream = ChatStream(created=self._now(), include_usage=wanted, meter=call.meter)
            relay = Relay(stream, sink.add)
            await pour(answer, relay, sink)
            relay.end()
            await answer.finish()

    async def close(self) -> None:
        """Closes the connections."""
        await self._upstream.close()

    async def _read_document(self, answer: Answer, call: UpstreamCall) -> Chunk:
        document = chat_completion(await answer.read(MAX_ANSWER), created=self._now(), meter=call.meter)
        return Chunk(document, (len(document),))

    def _now(self) -> int:
        return int(self._clock.time())

    def __repr__(self) -> str:
        return f"AnthropicProvider({self.name}, {self._upstream!r})"
