"""AuditService's border: protobuf in and out, nothing else."""

from audit_svc.batch import read_batch
from audit_svc.moment import to_nanoseconds
from audit_svc.paging import cut_page, page_size, read_token, write_token
from audit_svc.store import AuditStore, Conditions
from chassis.server import Context
from chassis.tracing import Tracing
from runestone.audit.v1.audit_pb2 import AppendRequest, AppendResponse, AuditRecord, SearchRequest, SearchResponse
from runestone.audit.v1.audit_pb2_grpc import AuditServiceServicer


class AuditServicer(AuditServiceServicer):
    """Answers out of one store."""

    def __init__(self, store: AuditStore, tracing: Tracing) -> None:
        self._store = store
        self._tracing = tracing

    async def Append(self, request: AppendRequest, context: Context) -> AppendResponse:  # noqa: N802, ARG002  grpc's name and signature
        """Answers when the batch is durable."""
        entries = read_batch(request.records)
        appended = await self._store.append(entries)
        for record in request.records:
            self._tracing.note("audit append", record.traceparent)
        return AppendResponse(appended=appended, duplicates=len(entries) - appended)

    async def Search(self, request: SearchRequest, context: Context) -> SearchResponse:  # noqa: N802, ARG002  grpc's name and signature
        """Reads one entry more than the page holds, to know whether there is a next page."""
        conditions, size = _read_conditions(request), page_size(request.page_size)
        before = read_token(request.page_token, conditions)
        entries = await self._store.search(conditions, before=before, limit=size + 1)
        page = cut_page(entries, size)
        token = write_token(conditions, page[-1].position) if len(entries) > len(page) else ""
        return SearchResponse(records=[AuditRecord.FromString(entry.record) for entry in page], next_page_token=token)


def _read_conditions(request: SearchRequest) -> Conditions:
    return Conditions(
        tenant=request.tenant or None,
        since=to_nanoseconds(request.since, param="since") if request.HasField("since") else None,
        until=to_nanoseconds(request.until, param="until") if request.HasField("until") else None,
        model=request.model or None,
        status=request.status or None,
        request_id=request.request_id or None,
    )
