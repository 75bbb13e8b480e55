"""Signed requests: HTTP Message Signatures (RFC 9421), each good once and for a while."""

from collections.abc import Awaitable, Callable, Mapping

from msgspec.structs import replace

from chassis.clock import Clock
from chassis.errors import RunestoneError
from gateway_edge.auth.content_digest import check_digest
from gateway_edge.auth.nonces import NonceMemory, spend_nonce
from gateway_edge.auth.refusal import SIGNATURE, refusal
from gateway_edge.auth.signature_base import signature_base
from gateway_edge.auth.signature_input import INPUT, VALUE, SignatureInput, read_signature
from gateway_edge.auth.signature_policy import DIGEST, check_terms, seconds_left
from gateway_edge.auth.signers import Signer
from gateway_edge.call import Arrival, Call
from gateway_edge.callers.tenants import Principal

ReadBody = Callable[[], Awaitable[bytes]]


class MessageSignature:
    """Takes requests that one of `signers` signed within `window` seconds and that nobody has seen. No two clocks differ by more
    than `clock_skew` seconds. What is cheap is checked first, and the body when it is read: who is refused before sends it in
    vain, and nobody ever gets another one than was signed."""

    kind = "a signature"

    def __init__(
        self, signers: Mapping[str, Signer], nonces: NonceMemory, clock: Clock, *, window: float, clock_skew: float
    ) -> None:
        self._signers = signers
        self._nonces = nonces
        self._clock = clock
        self._window = window
        self._clock_skew = clock_skew

    def are_presented(self, arrival: Arrival) -> bool:
        """Whether there is one."""
        return VALUE in arrival.headers or INPUT in arrival.headers

    async def verify(self, call: Call) -> Principal:
        """Whose signature it is. Raises UNAVAILABLE while cache-svc cannot say whether it was seen before."""
        arrival, clock = call.arrival, self._clock
        given = read_signature(arrival.headers)
        check_terms(arrival, given)
        left = seconds_left(given, clock.time(), window=self._window, clock_skew=self._clock_skew)
        signer = self._find_signer(given)
        if not signer.verify(signature_base(arrival, given), given.signature):
            raise _unknown()
        await spend_nonce(self._nonces, clock, given.keyid, given.nonce, left)
        digest = arrival.headers[DIGEST] if DIGEST in given.components else None
        call.arrival = replace(arrival, read_body=_checking(arrival.read_body, digest))
        return signer.principal

    def _find_signer(self, given: SignatureInput) -> Signer:
        signer = self._signers.get(given.keyid)
        if signer is None or given.values.get("alg", signer.algorithm) != signer.algorithm:
            raise _unknown()
        return signer


def _unknown() -> RunestoneError:
    """One answer for all: who guesses key ids learns nothing."""
    message = "no known signer signed this request as it is with the algorithm of its key"
    return refusal(SIGNATURE, message)


def _checking(read_body: ReadBody, digest: str | None) -> ReadBody:
    """Reads a body that `digest`, which was signed, must name; None: that must be empty."""

    async def read() -> bytes:
        body = await read_body()
        if digest is not None:
            await check_digest(digest, body)
        elif body:
            raise refusal(SIGNATURE, f"the signature must cover {DIGEST} too")
        return body

    return read
