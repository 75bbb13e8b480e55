"""StateService: protobuf in, a store asked, protobuf out."""

from cache_svc.state.reading import (
    MAX_CLAIM,
    WEEK,
    read_ask,
    read_claim,
    read_nonce,
    read_note,
    read_note_key,
    read_time,
)
from cache_svc.state.store import RUNNING, Ask, Outcome, Standing, StateStore
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.limiter import ConcurrencyLimiter
from chassis.server import Context
from runestone.state.v1.state_pb2 import (
    AbandonCallRequest,
    AbandonCallResponse,
    BeginCallRequest,
    BeginCallResponse,
    Claimed,
    FindNoteRequest,
    FindNoteResponse,
    FinishCallRequest,
    FinishCallResponse,
    KeepNoteRequest,
    KeepNoteResponse,
    KeptAnswer,
    Mismatch,
    RememberNonceRequest,
    RememberNonceResponse,
    RenewCallRequest,
    RenewCallResponse,
    Running,
)
from runestone.state.v1.state_pb2_grpc import StateServiceServicer

MAX_WAITERS = 1_000


class StateServicer(StateServiceServicer):
    """Answers out of one store. `waiters` bounds how many may wait for somebody else's call at a time."""

    def __init__(self, store: StateStore, clock: Clock, waiters: ConcurrencyLimiter) -> None:
        self._store = store
        self._clock = clock
        self._waiters = waiters

    async def RememberNonce(self, request: RememberNonceRequest, context: Context) -> RememberNonceResponse:  # noqa: N802, ARG002
        """Remembers a nonce, unless it is remembered already."""
        return RememberNonceResponse(is_first=await self._store.remember_nonce(*read_nonce(request)))

    async def BeginCall(self, request: BeginCallRequest, context: Context) -> BeginCallResponse:  # noqa: N802, ARG002
        """Claims a key, or says how it stands."""
        ask, wait = read_ask(request)
        outcome = await self._store.begin(ask)
        if outcome.standing is Standing.RUNNING and wait:
            with self._waiters:
                outcome = await self._wait(ask, wait)
        return _write(outcome)

    async def RenewCall(self, request: RenewCallRequest, context: Context) -> RenewCallResponse:  # noqa: N802, ARG002
        """Prolongs a claim."""
        await self._store.renew(*read_claim(request), read_time(request.claim_ttl, MAX_CLAIM, "claim_ttl"))
        return RenewCallResponse()

    async def FinishCall(self, request: FinishCallRequest, context: Context) -> FinishCallResponse:  # noqa: N802, ARG002
        """Keeps the answer and ends the claim."""
        ttl = read_time(request.ttl, WEEK, "ttl")
        is_kept = await self._store.finish(*read_claim(request), request.answer.SerializeToString(), ttl)
        return FinishCallResponse(is_kept=is_kept)

    async def AbandonCall(self, request: AbandonCallRequest, context: Context) -> AbandonCallResponse:  # noqa: N802, ARG002
        """Ends a claim without an answer."""
        await self._store.abandon(*read_claim(request))
        return AbandonCallResponse()

    async def KeepNote(self, request: KeepNoteRequest, context: Context) -> KeepNoteResponse:  # noqa: N802, ARG002
        """Keeps a few bytes about a thing."""
        await self._store.keep_note(*read_note(request))
        return KeepNoteResponse()

    async def FindNote(self, request: FindNoteRequest, context: Context) -> FindNoteResponse:  # noqa: N802, ARG002
        """What was kept. Raises NOT_FOUND."""
        note = await self._store.find_note(read_note_key(request))
        if note is None:
            raise RunestoneError(Reason.NOT_FOUND, "no note is kept, or it is over")
        return FindNoteResponse(note=note)

    async def _wait(self, ask: Ask, wait: float) -> Outcome:
        """How the key stands as soon as nobody else is making its call, or RUNNING after `wait` seconds."""
        began, waited = self._clock.monotonic(), 0.0
        while waited < wait and await self._store.wait_for_change(ask.key, waited=waited, patience=wait - waited):
            outcome = await self._store.begin(ask)
            if outcome.standing is not Standing.RUNNING:
                return outcome
            waited = self._clock.monotonic() - began
        return RUNNING


def _write(outcome: Outcome) -> BeginCallResponse:
    match outcome.standing:
        case Standing.CLAIMED:
            return BeginCallResponse(claimed=Claimed())
        case Standing.RUNNING:
            return BeginCallResponse(running=Running())
        case Standing.MISMATCH:
            return BeginCallResponse(mismatch=Mismatch())
        case Standing.ANSWERED:
            return BeginCallResponse(answered=KeptAnswer.FromString(outcome.answer))
