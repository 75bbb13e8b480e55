"""The provider of kinds `openai` and `openai_compatible`."""

from chassis.clock import Clock
from chassis.config.schema import Provider as ProviderSettings
from provider_svc.client_headers import pick
from provider_svc.endpoint import bring, refusal
from provider_svc.openai.endpoints import CHUNKED, ENDPOINTS
from provider_svc.openai.form import read_boundary, replace_model, write_media_type
from provider_svc.openai.request import build_body
from provider_svc.provider import Sink, UpstreamCall
from provider_svc.upstream import Upstream

CLIENT_HEADERS = frozenset({"openai-beta"})


class OpenAIProvider:
    """Relays calls in OpenAI's dialects. `name` is the provider's in the configuration; `upstream` is closed with it."""

    def __init__(self, name: str, settings: ProviderSettings, upstream: Upstream, clock: Clock) -> None:
        self.name = name
        self.dialects = frozenset(ENDPOINTS)
        self._upstream = upstream
        self._clock = clock
        key = settings.api_key
        self._headers = {"authorization": f"Bearer {key.reveal()}"} if key is not None else {}

    async def call(self, call: UpstreamCall, sink: Sink) -> None:
        """See `Provider.call`. Raises INVALID_REQUEST, before anything is sent, for a form that cannot be read."""
        endpoint, headers = ENDPOINTS[call.dialect], pick(self._headers, call.headers, CLIENT_HEADERS)
        if call.content_type:
            boundary = read_boundary(call.content_type)
            body = replace_model(call.form, boundary, call.model)
            headers = {**headers, "content-type": write_media_type(boundary)}
        else:
            body = build_body(call.members, call.model, asks_usage=call.stream and call.dialect in CHUNKED)
        async with self._upstream.post(endpoint.path, body, headers) as answer:
            if answer.status != 200:
                raise await refusal(answer, self._clock.time())
            await bring(endpoint, answer, answer.header(b"x-request-id"), call, sink)

    async def close(self) -> None:
        """Closes the connections."""
        await self._upstream.close()

    def __repr__(self) -> str:
        return f"OpenAIProvider({self.name}, {self._upstream!r})"
