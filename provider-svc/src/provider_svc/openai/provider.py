"""The provider of kinds `openai` and `openai_compatible`."""

from collections.abc import Mapping

from chassis.clock import Clock
from chassis.config.presets import list_dialects, list_quirks
from chassis.config.providers import Provider as ProviderSettings
from provider_svc.client_headers import pick
from provider_svc.dialect_names import find_dialects
from provider_svc.endpoint import bring, refusal
from provider_svc.openai.endpoints import CHUNKED, ENDPOINTS
from provider_svc.openai.form import read_boundary, replace_model, write_media_type
from provider_svc.openai.quirks import Members, change, list_dropped
from provider_svc.openai.request import build_body
from provider_svc.openai.stored import STORED, write_access
from provider_svc.provider import Begun, Kept, Sink, UpstreamCall
from provider_svc.upstream import Upstream

CLIENT_HEADERS = frozenset({"openai-beta"})


class OpenAIProvider:
    """Relays calls in OpenAI's dialects. `name` is the provider's in the configuration; `upstream` is closed with it."""

    def __init__(self, name: str, settings: ProviderSettings, upstream: Upstream, clock: Clock) -> None:
        self.name = name
        self.dialects = find_dialects(list_dialects(settings))
        self._upstream = upstream
        self._clock = clock
        self._quirks = list_quirks(settings)
        self._takes_stream_options = "no_stream_options" not in self._quirks
        key = settings.api_key
        self._headers = {"authorization": f"Bearer {key.reveal()}"} if key is not None else {}

    async def call(self, call: UpstreamCall, sink: Sink) -> None:
        """See `Provider.call`. Raises INVALID_REQUEST, before anything is sent, for a form that cannot be read."""
        if call.kept is not None:
            await self._access(call.kept, call, sink)
            return
        endpoint, members = ENDPOINTS[call.dialect], call.members
        if self._quirks and call.dialect in CHUNKED:
            members = change(members, self._quirks)
        body, headers = self._write(call, members)
        async with self._upstream.post(endpoint.path, body, headers) as answer:
            if answer.status != 200:
                raise await refusal(answer, self._clock.time())
            begun = Begun(answer.status, answer.header(b"x-request-id"), dropped=list_dropped(call.members, members))
            await bring(endpoint, answer, begun, call, sink)

    async def _access(self, kept: Kept, call: UpstreamCall, sink: Sink) -> None:
        """Relays what becomes of something that is kept."""
        method, path = write_access(kept)
        async with self._upstream.send(method, path, pick(self._headers, call.headers, CLIENT_HEADERS)) as answer:
            if answer.status != 200:
                raise await refusal(answer, self._clock.time())
            await bring(STORED, answer, Begun(answer.status, answer.header(b"x-request-id")), call, sink)

    def _write(self, call: UpstreamCall, members: Members) -> tuple[bytes, Mapping[str, str]]:
        headers = pick(self._headers, call.headers, CLIENT_HEADERS)
        if call.content_type:
            boundary = read_boundary(call.content_type)
            form = replace_model(call.form, boundary, call.model)
            return form, {**headers, "content-type": write_media_type(boundary)}
        asks_usage = call.stream and call.dialect in CHUNKED and self._takes_stream_options
        return build_body(members, call.model, asks_usage=asks_usage), headers

    async def close(self) -> None:
        """Closes the connections."""
        await self._upstream.close()

    def __repr__(self) -> str:
        return f"OpenAIProvider({self.name}, {self._upstream!r})"
