"""CacheService: protobuf in, answers asked for, protobuf out."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from cache_svc import reading
from cache_svc.answers import Answers
from cache_svc.changes import Changes, Mark
from cache_svc.keys import Keys
from cache_svc.reading import Lifetime
from cache_svc.statistics import Statistics
from cache_svc.store import Entry, Selection
from cache_svc.watches import Watches
from chassis.clock import Clock
from chassis.errors import RunestoneError
from chassis.server import Context
from runestone.cache.v1 import cache_pb2 as messages
from runestone.cache.v1.cache_pb2_grpc import CacheServiceServicer


class CacheServicer(CacheServiceServicer):
    """Answers out of one store. `default_ttl` gives what holds now, in seconds; `may_copy` says of a tenant whether callers may
    keep copies of its answers."""

    def __init__(
        self,
        answers: Answers,
        watches: Watches,
        statistics: Statistics,
        keys: Keys,
        clock: Clock,
        *,
        default_ttl: Callable[[], float],
        may_copy: Callable[[str], bool],
    ) -> None:
        self._answers = answers
        self._watches = watches
        self._statistics = statistics
        self._keys = keys
        self._clock = clock
        self._default_ttl = default_ttl
        self._may_copy = may_copy

    async def LookUp(self, request: messages.LookUpRequest, context: Context) -> messages.LookUpResponse:  # noqa: N802, ARG002
        """Looks an answer up; one of another tenant is none."""
        body, mark = await self._answers.look_up(reading.read_fingerprint(request.fingerprint), request.tenant)
        answer = messages.Answer.FromString(body) if body is not None else None
        if answer is None or answer.labels.tenant != request.tenant:
            return messages.LookUpResponse(miss=messages.Miss(), mark=_write_mark(mark))
        return messages.LookUpResponse(hit=answer, mark=_write_mark(mark), may_copy=self._may_copy(request.tenant))

    async def Store(self, request: messages.StoreRequest, context: Context) -> messages.StoreResponse:  # noqa: N802, ARG002
        """Keeps an answer, dated by this service."""
        fingerprint, labels = reading.read_fingerprint(request.fingerprint), reading.read_labels(request.answer.labels)
        answer, lifetime = reading.read_answer(request.answer), reading.read_lifetime(request, self._default_ttl())
        self._date(answer, lifetime)
        entry = Entry(fingerprint, answer.SerializeToString(), lifetime.kept, labels)
        is_kept, mark = await self._answers.keep(entry, replaces=request.replaces)
        return messages.StoreResponse(stored=is_kept, mark=_write_mark(mark), may_copy=self._may_copy(labels.tenant))

    async def StoreAll(self, request: messages.StoreAllRequest, context: Context) -> messages.StoreAllResponse:  # noqa: N802
        """Keeps each, and fails only where all of them do."""
        results, failure = [], None
        for one in reading.read_stores(request):
            try:
                results.append(await self.Store(one, context))
            except RunestoneError as error:
                results.append(messages.StoreResponse())
                failure = error
        if failure is not None and not any(result.HasField("mark") for result in results):
            raise failure
        return messages.StoreAllResponse(results=results)

    async def WatchKeys(  # noqa: N802
        self,
        request: messages.WatchKeysRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[messages.WatchKeysResponse]:
        """Names what is kept."""
        async with aclosing(self._watches.open_names()) as letters:
            async for names, is_complete in letters:
                yield messages.WatchKeysResponse(keys=names, complete=is_complete)

    async def Purge(self, request: messages.PurgeRequest, context: Context) -> messages.PurgeResponse:  # noqa: N802, ARG002
        """Forgets what the selection fits."""
        return messages.PurgeResponse(purged=await self._answers.purge(reading.read_selection(request.selection)))

    async def Shred(self, request: messages.ShredRequest, context: Context) -> messages.ShredResponse:  # noqa: N802, ARG002
        """Destroys the tenant's key first, so that what the purge could not reach is unreadable."""
        tenant = reading.read_tenant(request.tenant)
        is_destroyed = await self._keys.destroy(tenant)
        purged = await self._answers.purge(Selection(tenant=tenant))
        return messages.ShredResponse(purged=purged, key_destroyed=is_destroyed)

    async def Watch(self, request: messages.WatchRequest, context: Context) -> AsyncIterator[messages.WatchResponse]:  # noqa: N802, ARG002
        """Tells what changes."""
        async with aclosing(self._watches.open(reading.read_place(request))) as letters:
            async for changes in letters:
                yield _write_changes(changes)

    async def NoteUse(self, request: messages.NoteUseRequest, context: Context) -> messages.NoteUseResponse:  # noqa: N802, ARG002
        """Counts."""
        self._statistics.uses.note(reading.read_use(request))
        return messages.NoteUseResponse()

    async def GetStatistics(  # noqa: N802
        self,
        request: messages.GetStatisticsRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> messages.GetStatisticsResponse:
        """Says how the cache is doing."""
        return await self._statistics.describe()

    def _date(self, answer: messages.Answer, lifetime: Lifetime) -> None:
        answer.stored_at.FromMicroseconds(int(self._clock.time() * 1_000_000))
        answer.fresh_for.FromMicroseconds(round(lifetime.fresh * 1_000_000))
        answer.stale_for.FromMicroseconds(round(lifetime.stale * 1_000_000))


def _write_mark(mark: Mark) -> messages.Mark:
    return messages.Mark(epoch=mark.epoch, version=mark.version)


def _write_changes(changes: Changes) -> messages.WatchResponse:
    dropped = [
        messages.Selection(
            key_prefix=selection.key_prefix,
            tenant=selection.tenant,
            model=selection.model,
            tag=selection.tag,
            everything=selection.everything,
        )
        for selection in changes.dropped
    ]
    return messages.WatchResponse(mark=_write_mark(changes.mark), dropped=dropped, reset=changes.is_reset)
