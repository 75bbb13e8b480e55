"""Calls under a key, claimed with cache-svc's StateService, so that each is made once whichever edge it comes to."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypedDict

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.context import CallContext, bind, current
from chassis.errors import Reason, RunestoneError
from chassis.ids import NewId
from chassis.metadata import ROUTE_KEY, Metadata
from chassis.metric_families import Counter
from gateway_edge.blame import is_part_down
from gateway_edge.idempotency.call_state import CallState
from gateway_edge.idempotency.key import CallKey
from runestone.state.v1.state_pb2 import (
    AbandonCallRequest,
    BeginCallRequest,
    BeginCallResponse,
    FinishCallRequest,
    KeptAnswer,
    RenewCallRequest,
)

CLAIM = 10.0  # seconds that a claim lasts; a call of an edge that died may be made again after them
RENEWAL = 3.0
TIMEOUT = 0.25  # a state that is slower is down
FINISH_TIMEOUT = 1.0  # an answer may have megabytes

Spawn = Callable[[Coroutine[Any, Any, None], str], None]


class Claims:
    """Claims calls. `outcomes` counts what came of it: `claimed`, `running`, `answered`, `mismatch`, `unavailable`; and of
    claims `kept`, `not_kept`, `abandoned`, `lost`."""

    def __init__(
        self, state: CallState, breaker: Breaker, *, clock: Clock, spawn: Spawn, new_token: NewId, outcomes: Counter
    ) -> None:
        self.state = state
        self.spawn = spawn
        self._breaker = breaker
        self._clock = clock
        self._new_token = new_token
        self._outcomes = outcomes

    async def begin(self, key: CallKey, wait: float = 0.0) -> "Claim | KeptAnswer | None":
        """A claim to make the call under, what was answered already, or None while somebody else is still making it after
        `wait` seconds. Raises IDEMPOTENCY_KEY_REUSED; UNAVAILABLE, OVERLOADED when nobody can say: nothing is begun then."""
        claim = Claim(self, key, self._new_token())
        response = await self._ask(claim, wait)
        outcome = response.WhichOneof("outcome")
        self.count(outcome or "unavailable")
        match outcome:
            case "claimed":
                return claim
            case "answered":
                return response.answered
            case "running":
                return None
            case "mismatch":
                message = (
                    "this `Idempotency-Key` was used for something else; use another, or send what was sent before"
                )
                raise RunestoneError(Reason.IDEMPOTENCY_KEY_REUSED, message, param="idempotency-key")
        raise _unavailable()

    def count(self, outcome: str) -> None:
        """Notes what came of a claim."""
        self._outcomes.labels(outcome).inc()

    async def _ask(self, claim: "Claim", wait: float) -> BeginCallResponse:
        if not self._breaker.admits():
            self.count("unavailable")
            raise _unavailable()
        try:
            response = await claim.begin(wait)
        except RunestoneError as error:
            if error.reason is Reason.OVERLOADED or not is_part_down(error, self._clock):
                raise
            self._breaker.failed()
            self.count("unavailable")
            raise _unavailable() from error
        self._breaker.succeeded()
        return response


class _Named(TypedDict):
    scope: str
    key: str
    token: str


class Claim:
    """A call that this edge makes. As a context it is renewed in the background; left without `keep`, it is abandoned, so that the
    next who asks makes the call. What is lost is lost: the call goes on."""

    def __init__(self, claims: Claims, key: CallKey, token: str) -> None:
        self._claims = claims
        self._key = key
        self._named = _Named(scope=key.scope, key=key.key, token=token)
        self._route: Metadata = (
            (ROUTE_KEY, f"{key.scope}{key.key}".encode()),
        )  # who waits at a replica hears of the end there
        self._is_kept = False

    async def begin(self, wait: float) -> BeginCallResponse:
        """How the key stands. When it is not said, the claim may be held all the same, and is abandoned."""
        request = BeginCallRequest(**self._named, fingerprint=self._key.fingerprint)
        request.claim_ttl.FromMilliseconds(int(CLAIM * 1000))
        if wait:
            request.wait.FromMilliseconds(int(wait * 1000))
        try:
            return await self._claims.state.BeginCall(request, timeout=wait + TIMEOUT, metadata=self._route)
        except BaseException:
            self._claims.spawn(self._abandon(), "abandon call")
            raise

    async def keep(self, answer: KeptAnswer, ttl: float) -> None:
        """Ends the claim and lets the answer be given to whoever asks within `ttl` seconds. Returns when it is, or cannot be;
        cancelling does not stop it."""
        self._is_kept = True
        is_over = asyncio.Event()
        self._claims.spawn(self._finish(answer, ttl, is_over), "finish call")
        await is_over.wait()

    async def __aenter__(self) -> Self:
        self._renewing = asyncio.create_task(self._keep_renewing())
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._renewing.cancel()
        if not self._is_kept:
            self._claims.count("abandoned")
            self._claims.spawn(self._abandon(), "abandon call")

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL)
            request = RenewCallRequest(**self._named)
            request.claim_ttl.FromMilliseconds(int(CLAIM * 1000))
            try:
                await self._claims.state.RenewCall(request, timeout=TIMEOUT, metadata=self._route)
            except RunestoneError as error:
                if error.reason is Reason.NOT_FOUND:
                    self._claims.count("lost")
                    return

    async def _finish(self, answer: KeptAnswer, ttl: float, is_over: asyncio.Event) -> None:
        _leave_the_deadline()
        request = FinishCallRequest(**self._named, answer=answer)
        request.ttl.FromMilliseconds(int(ttl * 1000))
        try:
            response = await self._claims.state.FinishCall(request, timeout=FINISH_TIMEOUT, metadata=self._route)
            self._claims.count("kept" if response.is_kept else "not_kept")
        except RunestoneError as error:
            self._claims.count("lost" if error.reason is Reason.NOT_FOUND else "not_kept")
        finally:
            is_over.set()

    async def _abandon(self) -> None:
        _leave_the_deadline()
        try:
            await self._claims.state.AbandonCall(
                AbandonCallRequest(**self._named), timeout=TIMEOUT, metadata=self._route
            )
        except RunestoneError:
            return  # the claim runs out


def _leave_the_deadline() -> None:
    """What is done after a call is not bound by its deadline, which may be why it ended."""
    bind(CallContext(current().trace))


def _unavailable() -> RunestoneError:
    message = (
        "whether this call was made already cannot be told right now, so it is not begun; try again with the same key"
    )
    return RunestoneError(Reason.UNAVAILABLE, message, retry_after=1.0, code="idempotency_unavailable")
