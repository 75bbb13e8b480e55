"""Calls over the gateway's gRPC door, for services of its cluster."""

import json
from collections.abc import Mapping
from typing import Any

import grpc

from runestone.gateway.v1.gateway_pb2 import Attach, CallRequest, Open
from runestone.gateway.v1.gateway_pb2_grpc import GatewayServiceStub
from runestone_client.closing import Closing
from runestone_client.grpc.call import Call, Rpc

LARGEST = 64 << 20
KEEPALIVE = [("grpc.keepalive_time_ms", 30_000), ("grpc.keepalive_timeout_ms", 10_000)]


def connect(
    address: str, api_key: str = "", *, credentials: grpc.ChannelCredentials | None = None, timeout: float = 600.0
) -> "GatewayClient":
    """A client of the door at `address` (`127.0.0.1:4006`), to be opened with `async with`. With `credentials` over TLS. `timeout` is for a
    whole call, in seconds."""
    options = [*KEEPALIVE, ("grpc.max_receive_message_length", LARGEST), ("grpc.max_send_message_length", LARGEST)]
    if credentials is None:
        channel = grpc.aio.insecure_channel(address, options)
    else:
        channel = grpc.aio.secure_channel(address, credentials, options)
    return GatewayClient(channel, api_key, timeout)


class GatewayClient(Closing):
    """Owns the channel. Keys, pipelines, limits and the cache are those of HTTP."""

    def __init__(self, channel: grpc.aio.Channel, api_key: str, timeout: float) -> None:
        self._channel, self._timeout = channel, timeout
        self._metadata = (("authorization", f"Bearer {api_key}"),) if api_key else ()
        self._stub = GatewayServiceStub(channel)

    async def stream(
        self,
        request: Mapping[str, Any],
        *,
        endpoint: str = "",
        headers: Mapping[str, str] | None = None,
        resumable: bool = True,
    ) -> Call:
        """Asks for a stream. A `resumable` one goes on over another connection when its own is lost, and without its reader for the gateway's
        `resume_window`. Raises GatewayError when it is refused."""
        body = json.dumps(request, allow_nan=False).encode()
        asked = Open(endpoint=endpoint, body=body, stream=True, headers=headers or {}, resumable=resumable)
        return await self._begin(CallRequest(open=asked))

    async def ask(
        self, request: Mapping[str, Any], *, endpoint: str = "", headers: Mapping[str, str] | None = None
    ) -> tuple[bytes, Call]:
        """The whole answer, and how it came about."""
        body = json.dumps(request, allow_nan=False).encode()
        asked = Open(endpoint=endpoint, body=body, stream=False, headers=headers or {})
        async with await self._begin(CallRequest(open=asked)) as call:
            return await call.read(), call

    async def attach(self, stream_id: str, after_seq: int = 0) -> Call:
        """Goes on with a stream behind an event, whoever of the tenant asked for it. Raises NotFoundError where it is no longer kept."""
        return await self._begin(CallRequest(attach=Attach(stream_id=stream_id, after_seq=after_seq)), after_seq)

    async def _begin(self, first: CallRequest, after: int = 0) -> Call:
        call = Call(self._open_rpc(), self._open_rpc)
        call.last_seq = after
        return await call.begin(first)

    def _open_rpc(self) -> Rpc:
        rpc: Rpc = self._stub.Call(metadata=self._metadata, timeout=self._timeout)
        return rpc

    async def aclose(self) -> None:
        """Ends what runs on it."""
        await self._channel.close()
