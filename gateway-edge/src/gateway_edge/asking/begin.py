"""Beginning a call: one rpc to provider-svc."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Protocol

from chassis.client import closing
from chassis.errors import Reason, RunestoneError
from chassis.metadata import ROUTE_KEY, Metadata
from gateway_edge.call import Call
from gateway_edge.stored.places import Places
from gateway_edge.stored.previous import find_previous
from runestone.provider.v1.provider_pb2 import CallRequest, CallResponse

PATIENCE = 2.0  # a provider-svc that was killed is back within this

Abandon = Callable[[Call], None]


class Models(Protocol):
    """What is needed of provider-svc: `ProviderServiceStub`."""

    def Call(self, request: CallRequest, /, *, metadata: Metadata = ()) -> AsyncIterable[CallResponse]:  # noqa: N802  the rpc's name
        """Begins a call; leaving its events cancels it."""


class Connection(Protocol):
    """What has to be known of the way there."""

    async def is_connected_within(self, timeout: float) -> bool:
        """Whether provider-svc can be reached, waiting up to `timeout` seconds."""


class Begin:
    """Asks provider-svc. Who leaves the answer cancels the rpc, and with it the provider's socket; a call that is resumable, which would go
    on without a reader, is `abandon`ed unless this process stops: then it is left to whoever comes back for it.

    Nothing is sent twice: before the rpc it waits a little for a provider-svc that is restarting, after it began a
    failure is the client's to hear of. `places` tell who has the response that a call goes on with.
    """

    def __init__(self, models: Models, connection: Connection, places: Places, abandon: Abandon) -> None:
        self._models = models
        self._connection = connection
        self._places = places
        self._abandon = abandon

    async def __call__(self, call: Call) -> AsyncIterable[CallResponse]:
        """The answer as it comes. Raises UNAVAILABLE when nobody can be asked, and what `find_previous` raises."""
        if not await self._connection.is_connected_within(PATIENCE):
            raise RunestoneError(Reason.UNAVAILABLE, "the provider service cannot be reached", retry_after=1.0)
        if call.endpoint.is_stored and call.resource is None:
            call.provider = await find_previous(self._places, call)
        if call.may_be_background:
            call.is_resumable = call.asked.view.is_background
        answers = self._models.Call(_request(call), metadata=_route(call))
        return self._watch(call, answers) if call.is_resumable and call.asked.is_stream else answers

    async def _watch(self, call: Call, answers: AsyncIterable[CallResponse]) -> AsyncGenerator[CallResponse]:
        """Passes on what comes, and sees whether that is all."""
        is_over = False
        try:
            async with closing(answers) as responses:
                async for response in responses:
                    is_over = response.events[-1].WhichOneof("event") in ("completed", "failed")
                    yield response
        finally:
            if not is_over:
                self._end(call)

    def _end(self, call: Call) -> None:
        """The process stops, and the client can come back: then the stream goes on at another edge, which settles it."""
        is_stopping = call.ending is not None and call.ending.reason is Reason.UNAVAILABLE
        if is_stopping and call.reply.has_begun:
            call.outcome.is_billed = False
        else:
            self._abandon(call)


def _request(call: Call) -> CallRequest:
    question, headers = call.asked, call.arrival.headers
    request = CallRequest(
        call_id=call.id,
        tenant=call.caller.tenant,
        dialect=question.endpoint.dialect,
        model=question.view.model,
        stream=question.is_stream,
        body=question.body,
        coalesce_key=call.coalesce_key,
        route=question.led_to,
    )
    if question.form is not None:
        request.content_type = headers.get("content-type", "")
    if call.provider:
        request.provider = call.provider
    if call.resource is not None:
        request.resource.CopyFrom(call.resource)
    if call.is_resumable and question.is_stream:
        _write_windows(request, call)
    if sent := question.endpoint.pick_headers(headers):
        request.headers.update(sent)
    return request


def _write_windows(request: CallRequest, call: Call) -> None:
    windows = call.settings.edge.websocket
    request.resume_window.FromMilliseconds(int(windows.resume_window * 1000))
    request.pause_window.FromMilliseconds(int(windows.pause_window * 1000))


def _route(call: Call) -> Metadata:
    """Calls that may share one meet at the same replica; so does whoever looks for a stream by its id."""
    key = call.coalesce_key or (call.id.encode() if call.is_resumable else b"")
    return ((ROUTE_KEY, key),) if key else ()
