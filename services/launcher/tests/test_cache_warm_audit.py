"""Questions out of audit records: distinct ones, of one tenant, with an end to looking."""

import pytest

from launcher.cli.cache_warm_audit import MOST_RECORDS, PAGE, Recorded, find_questions
from launcher.errors import LaunchError
from runestone.audit.v1.audit_pb2 import AuditRecord, SearchResponse


def question(number: int) -> bytes:
    return b'{"model": "m", "messages": [], "seed": %d}' % number


class Shelf:
    """Audit records, newest first."""

    def __init__(self, *records: AuditRecord) -> None:
        self.records = records
        self.requests = []

    async def Search(self, request):
        self.requests.append(type(request).FromString(request.SerializeToString()))
        first = int(request.page_token or 0)
        last = min(first + request.page_size, len(self.records))
        more = str(last) if last < len(self.records) else ""
        return SearchResponse(records=self.records[first:last], next_page_token=more)


def record(number: int | None, tenant: str = "acme", endpoint: str = "/v1/chat/completions") -> AuditRecord:
    body = b"" if number is None else question(number)
    return AuditRecord(request_id="r", tenant=tenant, endpoint=endpoint, question=body)


async def test_records_give_distinct_questions_of_answered_calls_newest_first():
    shelf = Shelf(record(2), record(None), record(1), record(2), record(3, endpoint="/v1/other"), record(3))
    found = await find_questions(shelf, Recorded(tenant="acme", model="m", since="1h"))
    assert found.choose() == [question(2), question(1), question(3)]
    request = shelf.requests[0]
    assert (request.tenant, request.model, request.status, request.HasField("since")) == ("acme", "m", 200, True)


async def test_the_limit_counts_questions_over_pages():
    shelf = Shelf(*(record(number // 2) for number in range(3 * PAGE)))
    found = await find_questions(shelf, Recorded(limit=PAGE))
    assert found.choose() == [question(number) for number in range(PAGE)]
    assert len(shelf.requests) == 2


async def test_looking_has_an_end():
    class Endless(Shelf):
        async def Search(self, request):
            self.requests.append(request)
            return SearchResponse(records=[record(None)] * request.page_size, next_page_token="more")

    shelf = Endless()
    with pytest.raises(LaunchError, match="hold no question"):
        (await find_questions(shelf, Recorded())).choose()
    assert len(shelf.requests) == MOST_RECORDS // PAGE


async def test_records_without_questions_say_how_to_get_some():
    found = await find_questions(Shelf(record(None), record(None)), Recorded())
    with pytest.raises(LaunchError, match=r"2 records of answered calls hold no question.*capture: questions"):
        found.choose()


async def test_one_tenants_questions_are_never_asked_as_anothers():
    shelf = Shelf(record(1), record(2, tenant="other"))
    with pytest.raises(LaunchError, match=r"several tenants \(acme, other\)"):
        (await find_questions(shelf, Recorded())).choose()
