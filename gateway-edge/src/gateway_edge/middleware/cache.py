"""Whether the answer is already known: a look-up before the call, the whole answer kept after it."""

from msgspec import Struct

from chassis.clock import Clock
from chassis.config.pipelines import CacheOptions
from chassis.config.schema import Cache as CacheSettings
from chassis.errors import Reason, RunestoneError, from_message
from chassis.hashing import hash_parts
from gateway_edge.caching.answers import write_answer, write_lifetime, write_refusal
from gateway_edge.caching.forms import Form, Shown
from gateway_edge.caching.freshness import Verdict, age_of, judge
from gateway_edge.caching.keeping import Keeping
from gateway_edge.caching.near import Copy
from gateway_edge.caching.replaying import send
from gateway_edge.caching.revalidation import Revalidation
from gateway_edge.caching.rules import FOLLOWED, Rules, refuse_answer
from gateway_edge.caching.shelf import Shelf
from gateway_edge.caching.uses import Uses
from gateway_edge.caching.wishes import Wish, Wishes
from gateway_edge.call import Call, Given, Kept, Question
from gateway_edge.costs.headers import NOTHING
from gateway_edge.middleware.base import Proceed
from gateway_edge.question.telling import tell_route
from gateway_edge.recording import Recording, RecordingReply
from gateway_edge.reply import DROPPED
from runestone.cache.v1.cache_pb2 import Answer, StoreRequest

HIT, MISS, BYPASS, REFRESH = "HIT", "MISS", "BYPASS", "REFRESH"

# Failures in whose place a stale answer is better; a refusal speaks of the question.
SPARED = frozenset({
    Reason.UNAVAILABLE,
    Reason.OVERLOADED,
    Reason.PROVIDER_RATE_LIMITED,
    Reason.PROVIDER_OVERLOADED,
    Reason.PROVIDER_FAILED,
    Reason.PROVIDER_CREDENTIALS_REFUSED,
    Reason.PROVIDER_UNREACHABLE,
    Reason.PROVIDER_TIMEOUT,
    Reason.PROVIDER_INVALID_ANSWER,
    Reason.PROVIDER_STREAM_CUT,
})  # fmt: skip
NEGATIVE = frozenset({400, 404})  # of the provider
# Who misses may follow another's call, who wants a younger answer may not.
NOT_GIVEN = {Verdict.UNWANTED: REFRESH, Verdict.OVER: MISS}


class Offer(Struct, frozen=True):
    """What there is for it: what `x-cache` says, and an answer, to be given now, or with `is_spare` where asking fails. `is_kept` says
    that some answer was there."""

    outcome: str
    copy: Copy | None = None
    shown: Shown | None = None
    age: float = 0.0
    is_near: bool = False
    is_stale: bool = False
    is_spare: bool = False
    is_kept: bool = False


class Cache:
    """Answers out of this process or cache-svc, and keeps what the provider answered when it is whole.

    `x-cache` says what happened: HIT; MISS (asked, and kept if the rules say so); COALESCED (shared with somebody who was asking);
    REFRESH (asked anew, as the client wanted); BYPASS (not a question that is kept, or cache-svc does not answer: the call goes on
    without it).
    """

    name = "cache"

    def __init__(
        self,
        shelf: Shelf,
        clock: Clock,
        uses: Uses,
        revalidation: Revalidation,
        *,
        options: CacheOptions,
        settings: CacheSettings,
    ) -> None:
        self._shelf = shelf
        self._clock = clock
        self._uses = uses
        self._revalidation = revalidation
        self._rules = Rules.of(options, settings)
        self._keeping = Keeping.of(options, settings)
        self._wishes = Wishes(self._rules, self._keeping, options.variants)

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Answers a hit; otherwise watches the answer go by and keeps it. Raises DEADLINE_EXCEEDED for `only-if-cached` and nothing
        there."""
        wish = self._wishes.read(call)
        offer = Offer(BYPASS) if wish.why else await self._look(call, wish)
        self._mark(call, wish, offer)
        if offer.copy is not None and not offer.is_spare:
            await self._give(call, wish.key, offer)
        elif wish.controls.only_if_cached:
            message = "`only-if-cached`, and the answer is not cached"
            raise RunestoneError(Reason.DEADLINE_EXCEEDED, message, code="not_cached")
        elif wish.why:
            await proceed(call)
        else:
            await self._ask(call, proceed, wish, offer)

    async def _look(self, call: Call, wish: Wish) -> Offer:
        if wish.controls.no_cache:
            return Offer(REFRESH, is_kept=True)
        tenant = self._keeping.tenant_of(call.caller)
        found = await self._shelf.find(wish.key, tenant, is_pressed=wish.controls.only_if_cached)
        if found.copy is None:
            if found.is_near:
                self._uses.note_near_miss()
            return Offer(BYPASS if found.is_down else MISS)
        answer = found.copy.answer
        is_refusal = answer.HasField("error")
        shown = None if is_refusal else found.copy.show(_form_of(call.asked))
        if shown is None and not is_refusal:
            return Offer(MISS, is_kept=True)
        age = age_of(answer, self._clock.time())
        verdict = judge(answer, age, wish.controls, self._keeping.spans)
        if verdict in NOT_GIVEN:
            return Offer(NOT_GIVEN[verdict], is_kept=True)
        if verdict is Verdict.REVALIDATE:
            self._revalidation.begin(call, wish.key)
        is_spare = verdict is Verdict.SPARE
        outcome = MISS if is_spare else HIT
        is_stale = verdict is not Verdict.FRESH
        return Offer(outcome, found.copy, shown, age, found.is_near, is_stale, is_spare, is_kept=True)

    async def _give(self, call: Call, key: bytes, offer: Offer) -> None:
        """Sends a kept answer. Raises the refusal that was kept."""
        assert offer.copy is not None
        answer, outcome = offer.copy.answer, call.outcome
        outcome.provider, outcome.provider_model = answer.provider, answer.model
        outcome.finish_reason, outcome.attempts = answer.finish_reason, 0
        outcome.usage = answer.usage if answer.HasField("usage") else None
        outcome.cost = answer.cost if answer.HasField("cost") else None
        outcome.dropped = tuple(answer.dropped)
        tell_route(call, call.asked.route.name)
        outcome.is_billed = "hit" in self._keeping.bills
        call.reply.headers.update(_provenance(answer, offer))
        self._uses.save(outcome.usage, outcome.cost, is_near=offer.is_near)
        if offer.shown is None:
            raise from_message(answer.error)
        if call.is_resumable:
            call.kept = Kept(key, self._keeping.tenant_of(call.caller), answer.request_id)
        await send(call.reply, offer.shown, _form_of(call.asked), is_paced=self._keeping.is_paced)
        outcome.is_complete = True
        if offer.is_near and not offer.is_stale and not self._keeping.is_paced:
            call.given = _given(key, offer.copy, offer.shown)

    async def _ask(self, call: Call, proceed: Proceed, wish: Wish, offer: Offer) -> None:
        """Asks the provider; what it answers is kept, and where it fails the spare answer is given."""
        is_reachable = offer.outcome != BYPASS

        async def keep(recording: Recording) -> None:
            if is_reachable:
                self._keep(call, wish, recording, replaces=offer.is_kept)

        if self._keeping.shares(wish.controls) and offer.outcome != REFRESH:
            call.coalesce_key = _shared_by(wish.key, self._shelf.stamp_of(wish.key), call.asked)
        plain = call.reply
        call.reply = recorder = RecordingReply(plain, self._rules.max_answer, keep)
        try:
            await proceed(call)
        except RunestoneError as error:
            call.reply = plain
            if offer.copy is None or error.reason not in SPARED or recorder.has_passed:
                if is_reachable:
                    self._keep_refusal(call, wish, error)
                raise
            self._mark(call, wish, Offer(HIT))
            await self._give(call, wish.key, offer)
        finally:
            call.reply = plain
            if call.outcome.cache == FOLLOWED:  # whatever its end: what it used is another call's
                call.outcome.is_billed = "coalesced" in self._keeping.bills
        if call.outcome.cache == FOLLOWED:
            self._uses.follow(call.outcome.usage, call.outcome.cost)

    def _keep(self, call: Call, wish: Wish, recording: Recording, *, replaces: bool) -> None:
        if refuse_answer(self._rules, call.asked, call.outcome, recording):
            return
        ttl = self._keeping.ttl if wish.controls.ttl is None else min(wish.controls.ttl, self._keeping.ttl)
        request = self._open_store(call, wish, ttl, self._keeping.spans.longest)
        if request is not None:
            request.replaces = replaces
            write_answer(request.answer, call, recording, is_paced=self._keeping.is_paced)

    def _keep_refusal(self, call: Call, wish: Wish, error: RunestoneError) -> None:
        if error.reason is not Reason.PROVIDER_REFUSED or error.upstream_status not in NEGATIVE:
            return
        request = self._open_store(call, wish, self._keeping.negative_ttl, 0.0)
        if request is not None:
            write_refusal(request.answer, call, error)

    def _open_store(self, call: Call, wish: Wish, ttl: float, stale_for: float) -> StoreRequest | None:
        """What is to be filled in, now; None where nothing is kept."""
        request = self._shelf.open_store(wish.key) if ttl else None
        if request is not None:
            labels = request.answer.labels
            labels.tenant, labels.model = self._keeping.tenant_of(call.caller), call.asked.view.model
            labels.tags.extend(wish.tags)
            write_lifetime(request, now=self._clock.time(), ttl=ttl, stale_for=stale_for)
        return request

    def _mark(self, call: Call, wish: Wish, offer: Offer) -> None:
        call.outcome.cache = call.reply.headers["x-cache"] = offer.outcome
        self._uses.note(offer.outcome)
        if wish.key:
            call.reply.headers["x-cache-key"] = wish.key.hex()


def _shared_by(key: bytes, stamp: bytes, question: Question) -> bytes:
    """Who shares a call gets its very bytes, so a stream with what was used at its end is another than one without; and nobody
    shares one that was made before a purge of its answer."""
    usage = b"usage" if question.is_stream and question.view.wants_usage else b""
    return hash_parts((key, usage, stamp)) if usage or stamp else key


def _form_of(question: Question) -> Form:
    wants_usage = question.is_stream and question.view.wants_usage
    return Form(is_stream=question.is_stream, wants_usage=wants_usage, dialect=question.endpoint.dialect)


def _given(key: bytes, copy: Copy, shown: Shown) -> Given:
    answer = copy.answer
    stored_at = answer.stored_at.ToMicroseconds() / 1e6
    return Given(key, copy, stored_at, stored_at + answer.fresh_for.ToMicroseconds() / 1e6, shown.body)


def _provenance(answer: Answer, offer: Offer) -> dict[str, str]:
    """How old an answer is and where it comes from; `cache-status` is that of RFC 9211."""
    left = int(answer.fresh_for.seconds - offer.age)
    dropped = {DROPPED: ", ".join(answer.dropped)} if answer.dropped else {}
    return {
        "age": str(int(offer.age)),
        "cache-status": f"runestone; hit; ttl={left}; detail={'stale' if offer.is_stale else 'fresh'}",
        "x-runestone-provider": answer.provider,
        "x-runestone-model": answer.model,
        "x-runestone-original-request-id": answer.request_id,
        **NOTHING,
        **dropped,
    }
