"""Which calls out of messages may outlive whoever asked them."""

from collections.abc import Awaitable
from typing import Any

import pytest

from chassis.clock import SystemClock
from chassis.config import parse_settings
from chassis.snapshots import Snapshot
from chassis.tracing import Tracing
from gateway_edge.call import Call
from gateway_edge.callers.session import Session
from gateway_edge.callers.tenants import Principal
from gateway_edge.door.ways import Ways
from gateway_edge.inner.reply import DiscardingReply
from gateway_edge.messages.calls import MessageCalls
from gateway_edge.messages.message import Message
from gateway_edge.middleware.base import Pipeline
from gateway_edge.policy import Policy

POLICY = Policy.of(Snapshot("v1", parse_settings("{}")), 0.0)
NOWHERE = Pipeline([])
RESUMABLE = {"x-runestone-resumable": "1"}


class Runner:
    """Keeps whom it was to run."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def run(self, call: Call, reply: Any, path: str, kind: Any, answering: Awaitable[None]) -> None:
        self.calls.append(call)
        answering.close()  # type: ignore[attr-defined]  it is a coroutine


@pytest.mark.parametrize(
    ("path", "body", "headers", "may_outlive"),
    [
        ("/v1/chat/completions", b"{}", RESUMABLE, True),
        ("/v1/chat/completions", b"{}", {"x-runestone-resumable": "0"}, False),
        ("/v1/chat/completions", b'{"background": true}', {}, False),
        ("/v1/responses", b'{"background": true}', {}, True),
        ("/v1/responses", b"{}", {}, False),
    ],
)
async def test_a_message_says_whether_its_call_goes_on_without_it(
    path: str, body: bytes, headers: dict[str, str], may_outlive: bool
) -> None:
    ways = Ways(POLICY, {("*", "*"): NOWHERE}, NOWHERE, {("POST", path): NOWHERE})
    plain, resumable = Runner(), Runner()
    tracing = Tracing("edge", otlp_endpoint=None, sample_ratio=0)
    calls = MessageCalls(lambda: ways, plain, resumable, clock=SystemClock(), new_id=lambda: "req_1", tracing=tracing)
    session = Session(Principal(tenant="acme", key="ci"), {}, "", "v1")
    message = Message(session=session, front="ws", path=path, body=body, headers=headers)
    await calls.run(message, lambda _id, _voice: DiscardingReply())
    assert (bool(resumable.calls), bool(plain.calls)) == (may_outlive, not may_outlive)
