"""Nonces of signed requests: each is spent once, whichever edge a request meets."""

from collections.abc import Awaitable
from typing import Protocol

from google.protobuf.duration_pb2 import Duration

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.metadata import ROUTE_KEY, Metadata
from gateway_edge.auth.refusal import REPLAYED, refusal
from gateway_edge.blame import is_part_down
from runestone.state.v1.state_pb2 import RememberNonceRequest, RememberNonceResponse

RETRY_AFTER = 1.0  # seconds; a store that is away is asked again


class NonceMemory(Protocol):
    """What is needed of cache-svc: `StateServiceStub`."""

    def RememberNonce(  # noqa: N802  the rpc's name
        self, request: RememberNonceRequest, /, *, metadata: Metadata
    ) -> Awaitable[RememberNonceResponse]:
        """Remembers a nonce; says whether it was new."""


async def spend_nonce(memory: NonceMemory, clock: Clock, keyid: str, nonce: str, seconds: float) -> None:
    """Makes a signer's nonce worthless for `seconds`. Raises AUTHENTICATION_FAILED when it is already, and UNAVAILABLE while nobody
    can say."""
    ttl = Duration()
    ttl.FromMilliseconds(int(seconds * 1000) + 1)
    request = RememberNonceRequest(scope=f"signature:{keyid}", nonce=nonce, ttl=ttl)
    try:
        response = await memory.RememberNonce(request, metadata=((ROUTE_KEY, nonce.encode()),))
    except RunestoneError as error:
        if not is_part_down(error, clock):
            raise
        message = "signatures cannot be checked for replays right now"
        raise RunestoneError(Reason.UNAVAILABLE, message, retry_after=RETRY_AFTER) from error
    if not response.is_first:
        raise refusal(REPLAYED, "the nonce was used before; sign every request anew, also when sending it again")
