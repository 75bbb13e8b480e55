"""Audit records as JSON lines or as a table."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from chassis.client import Channel
from chassis.config import Duration
from launcher.cli.asking import ask_service
from launcher.cli.audit_record import describe_record
from launcher.cli.audit_table import draw_records
from launcher.errors import LaunchError
from runestone.audit.v1.audit_pb2 import AuditRecord, SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub

PAGE = 1000  # the most that one Search gives


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to find; empty and 0 mean any. Times as the user wrote them."""

    tenant: str
    since: str
    until: str
    model: str
    status: int
    request_id: str
    limit: int


def search_records(wanted: Wanted, data_dir: Path | None, *, as_json: bool) -> None:
    """Prints what is found. Raises LaunchError for a time that is none, and when audit cannot be asked."""
    request = make_request(wanted, now=time.time())

    async def ask(channel: Channel) -> list[dict[str, object]]:
        stub = AuditServiceStub(channel)
        return [describe_record(record) async for record in read_pages(stub, request, wanted.limit)]

    found = ask_service("audit", data_dir, ask)
    if as_json:
        for record in found:
            print(msgspec.json.encode(record).decode())
    else:
        console = Console()
        table = draw_records(found, console.width if console.is_terminal else None)
        console.print(table if found else "nothing found", crop=False)


async def read_pages(stub: AuditServiceStub, request: SearchRequest, limit: int) -> AsyncIterator[AuditRecord]:
    """Up to `limit` records, page after page."""
    while limit > 0:
        request.page_size = min(limit, PAGE)
        page = await stub.Search(request)
        for record in page.records[:limit]:
            yield record
        limit -= len(page.records)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return


def make_request(wanted: Wanted, now: float) -> SearchRequest:
    """The rpc's request; `now` in seconds since the epoch is what "15m" counts from."""
    return SearchRequest(
        tenant=wanted.tenant,
        since=read_time(wanted.since, now),
        until=read_time(wanted.until, now),
        model=wanted.model,
        status=wanted.status,
        request_id=wanted.request_id,
    )


def read_time(text: str, now: float) -> Timestamp | None:
    """A moment from ISO 8601 (local time unless it names a zone) or from a duration, which means so long ago.

    Raises LaunchError for anything else.
    """
    if not text:
        return None
    moment = Timestamp()
    try:
        moment.FromDatetime(datetime.fromisoformat(text).astimezone(UTC))
    except ValueError:
        try:
            moment.FromNanoseconds(int((now - Duration.parse(text)) * 1e9))
        except ValueError as error:
            raise LaunchError(f"{text!r} is neither a time (2026-01-31T12:00:00Z) nor a duration (15m)") from error
    return moment
