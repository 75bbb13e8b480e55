"""The provider of kind `anthropic`."""

import msgspec

from chassis.clock import Clock
from chassis.config.presets import list_dialects
from chassis.config.providers import Provider as ProviderSettings
from provider_svc.anthropic.endpoints import ENDPOINTS
from provider_svc.client_headers import pick
from provider_svc.dialect_names import find_dialects
from provider_svc.endpoint import bring, refusal
from provider_svc.provider import Begun, Sink, UpstreamCall
from provider_svc.upstream import Upstream

# The last version that takes temperature and top_p, on the models that have them; 2026-10-21 refuses both on all.
VERSION = "2023-06-01"
CLIENT_HEADERS = frozenset({"anthropic-version", "anthropic-beta"})


class AnthropicProvider:
    """Relays calls in Anthropic's dialects. `name` is the provider's in the configuration; `upstream` is closed with it."""

    def __init__(self, name: str, settings: ProviderSettings, upstream: Upstream, clock: Clock) -> None:
        self.name = name
        self.dialects = find_dialects(list_dialects(settings))
        self._upstream = upstream
        self._clock = clock
        key = settings.api_key
        self._headers = {"anthropic-version": VERSION} | ({"x-api-key": key.reveal()} if key is not None else {})

    async def call(self, call: UpstreamCall, sink: Sink) -> None:
        """See `Provider.call`."""
        endpoint = ENDPOINTS[call.dialect]
        body = msgspec.json.encode({**call.members, "model": call.model})
        headers = pick(self._headers, call.headers, CLIENT_HEADERS)
        async with self._upstream.post(endpoint.path, body, headers) as answer:
            if answer.status != 200:
                raise await refusal(answer, self._clock.time())
            await bring(endpoint, answer, Begun(answer.status, answer.header(b"request-id")), call, sink)

    async def close(self) -> None:
        """Closes the connections."""
        await self._upstream.close()

    def __repr__(self) -> str:
        return f"AnthropicProvider({self.name}, {self._upstream!r})"
