"""Requests that came before, byte for byte, and were answered out of this process' own copies: answered again where they arrive.

Such a request went through its whole pipeline once under this snapshot. All that the pipeline does for the same bytes is the same
but for what it counts, and that is counted here too: limits, metrics, the audit record, the log line. Whatever might be different
this time (the copy, its freshness, the key's end, a limit that is not leased, a trace that is sampled) sends the request
through its pipeline.
"""

from msgspec import Struct

from chassis.clock import Clock
from chassis.ids import NewId
from chassis.logs import Logger
from chassis.tracing import Tracing
from gateway_edge.caching.near import NearCache
from gateway_edge.caching.uses import Uses
from gateway_edge.call import Call
from gateway_edge.door.metrics import EdgeMetrics
from gateway_edge.http1.request import Request
from gateway_edge.http1.response import write_date
from gateway_edge.limits.headers import write_headers
from gateway_edge.limits.leases import Leases
from gateway_edge.middleware.record import RecordSpool
from gateway_edge.repeats.learning import can_be_repeated, make_recipe
from gateway_edge.repeats.recipes import Recipe, Recipes
from runestone.audit.v1.audit_pb2 import AuditRecord

STAGE = "repeat"  # the one stage of such a call


class Means(Struct, frozen=True, kw_only=True):
    """What answering takes."""

    near: NearCache
    leases: Leases
    spool: RecordSpool
    uses: Uses
    metrics: EdgeMetrics
    clock: Clock
    new_id: NewId
    tracing: Tracing
    log: Logger


class Moment(Struct, frozen=True):
    """What is one call's own: ids, whose address, when it came (seconds since the epoch) and how many seconds it took."""

    call_id: str
    trace_id: str
    traceparent: str
    client_address: str
    at: float
    seconds: float


class Repeats:
    """Learns from calls that have ended, and answers such requests again."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def learn(self, request: Request, call: Call, recipes: Recipes, path: str) -> None:
        """Notes how a request was answered, where it can be answered so again. `path` is what it is counted under."""
        if call.given is not None and can_be_repeated(request, call):
            counts = self._means.metrics.counts_of(call, call.asked, path, STAGE)
            recipes.note(request.segment, make_recipe(call, call.given, counts, path))

    def answer(self, segment: bytes, client_address: str, recipes: Recipes) -> bytes | None:
        """The whole answer to a request; None where it has to go through its pipeline. Never waits."""
        recipe = recipes.find(segment)
        if recipe is None:
            return None
        means = self._means
        received_at, now = means.clock.monotonic(), means.clock.time()
        if not self._holds(recipe, now):
            recipes.forget(segment)
            return None
        trace = means.tracing.begin(None)
        if trace.sampled or means.spool.is_full:
            return None
        limits = self._admit(recipe)
        if limits is None:
            return None
        seconds = means.clock.monotonic() - received_at
        moment = Moment(means.new_id(), trace.trace_id, trace.traceparent, client_address, now, seconds)
        self._record(recipe, moment)
        self._count(recipe, moment)
        return _write(recipe, moment, limits)

    def _holds(self, recipe: Recipe, now: float) -> bool:
        given = recipe.given
        is_same = self._means.near.find(given.key) is given.copy
        return is_same and now < given.fresh_until and now < recipe.valid_until

    def _admit(self, recipe: Recipe) -> str | None:
        """The headers that say how the limits stand, with a unit of each spent; None where some is not leased here."""
        if not recipe.limits:
            return ""
        with self._means.leases.hold(recipe.limits) as hold:
            if not hold.is_whole:
                return None
            hold.keep()
            headers = write_headers(recipe.limits, hold.fill())
        return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])

    def _record(self, recipe: Recipe, moment: Moment) -> None:
        """Messages that follow each other are one message with the members of both (protobuf's encoding)."""
        record = AuditRecord(
            request_id=moment.call_id, traceparent=moment.traceparent, client_address=moment.client_address
        )
        microseconds = int(moment.at * 1e6)
        record.started_at.seconds, record.started_at.nanos = microseconds // 1_000_000, microseconds % 1_000_000 * 1000
        record.duration.nanos = record.time_to_first_byte.nanos = int(moment.seconds * 1e6) * 1000
        self._means.spool.append(recipe.record + record.SerializeToString())

    def _count(self, recipe: Recipe, moment: Moment) -> None:
        recipe.counts.note(moment.seconds)
        self._means.uses.note_near_hit(recipe.usage, recipe.cost)
        self._means.log.info(
            "call",
            request_id=moment.call_id,
            ms=round(moment.seconds * 1000, 2),
            trace_id=moment.trace_id,
            **recipe.facts,
        )


def _write(recipe: Recipe, moment: Moment, limits: str) -> bytes:
    given = recipe.given
    ids = "".join([f"{name}: {moment.call_id}\r\n" for name in recipe.id_headers])
    return (
        f"{recipe.head}{ids}traceparent: {moment.traceparent}\r\n"
        f"age: {int(max(0.0, moment.at - given.stored_at))}\r\n"
        f"cache-status: runestone; hit; ttl={int(given.fresh_until - moment.at)}; detail=fresh\r\n"
        f"server-timing: {STAGE};dur={moment.seconds * 1000:.3f}\r\n{limits}{write_date()}"
    ).encode() + recipe.tail
