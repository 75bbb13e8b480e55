"""Questions out of audit records, which hold them where `audit.capture` says so."""

import time
from dataclasses import dataclass, field

from launcher.cli.audit_search import Wanted, make_request
from launcher.errors import LaunchError
from runestone.audit.v1.audit_pb2 import SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub

PAGE = 200  # records; a page with 64 KiB of question in each is 12.5 MiB
MOST_RECORDS = 100_000  # that are looked at
ENDPOINT = "/v1/chat/completions"
ANSWERED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Which questions: empty means any. `since` as the user wrote it; `limit` counts questions, not records."""

    tenant: str = ""
    since: str = ""
    model: str = ""
    limit: int = 1000


@dataclass(slots=True)
class Found:
    """Distinct questions, newest first, out of so many records of answered calls; whose they are."""

    questions: dict[bytes, None] = field(default_factory=dict)
    tenants: set[str] = field(default_factory=set)
    records: int = 0

    def choose(self) -> list[bytes]:
        """The questions. Raises LaunchError where there are none, and where they are several tenants': asked with one key, one
        tenant's words would be kept, recorded and billed as another's."""
        if not self.questions:
            seen = f"{self.records} records of answered calls hold" if self.records != 1 else "1 record holds"
            raise LaunchError(
                f"{seen} no question; with `audit: {{capture: questions}}` those of later calls will (docs/cache.md)"
            )
        if len(self.tenants) > 1:
            names = ", ".join(sorted(self.tenants))
            raise LaunchError(
                f"the questions are of several tenants ({names}); name one with --tenant, and use its key"
            )
        return list(self.questions)


async def find_questions(stub: AuditServiceStub, wanted: Recorded) -> Found:
    """Looks through the records of answered calls, newest first, page after page. Raises LaunchError for a time that is none."""
    request, found = _make_request(wanted), Found()
    while len(found.questions) < wanted.limit and found.records < MOST_RECORDS:
        page = await stub.Search(request)
        found.records += len(page.records)
        for record in page.records:
            if record.question and record.endpoint == ENDPOINT and len(found.questions) < wanted.limit:
                found.questions.setdefault(record.question)
                found.tenants.add(record.tenant)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    return found


def _make_request(wanted: Recorded) -> SearchRequest:
    conditions = Wanted(
        tenant=wanted.tenant,
        since=wanted.since,
        until="",
        model=wanted.model,
        status=ANSWERED,
        request_id="",
        limit=wanted.limit,
    )
    request = make_request(conditions, now=time.time())
    request.page_size = PAGE
    return request
