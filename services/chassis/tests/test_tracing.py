"""One trace through every hop; what is not sampled costs nothing and is passed on as it came."""

import asyncio
import re
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from chassis.config import Settings
from chassis.config.schema import Telemetry
from chassis.context import CallContext, TraceContext, bind, current
from chassis.errors import Reason, RunestoneError
from chassis.testing import running
from chassis.tracing import Tracing, parse_traceparent
from runestone.cache.v1 import cache_pb2
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub

ASK, MISS = cache_pb2.LookUpRequest(), cache_pb2.LookUpResponse(miss=cache_pb2.Miss())
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"

hex_digits = "0123456789abcdef"
ids = st.tuples(
    st.text(hex_digits, min_size=32, max_size=32).filter(lambda text: text.strip("0")),
    st.text(hex_digits, min_size=16, max_size=16).filter(lambda text: text.strip("0")),
)


@given(ids, st.booleans())
def test_what_is_written_is_read_back(ids, sampled):
    context = TraceContext(*ids, sampled)
    assert parse_traceparent(context.traceparent) == context


@given(st.text() | st.text(hex_digits + "-_ +xX٣", min_size=50, max_size=60) | st.from_regex(r"[0-9a-f_ -]{55,58}"))
def test_no_header_makes_a_context_that_is_not_one(header):
    """Python reads `1_0`, ` 1` and other scripts' digits as numbers; W3C Trace Context does not."""
    context = parse_traceparent(header)
    assert context is None or re.fullmatch(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", header)


@given(st.integers(0, 54), st.sampled_from("_ +-gGA٣\n"))
def test_a_header_with_one_wrong_character_is_malformed(position, character):
    header = SAMPLED[:position] + character + SAMPLED[position + 1 :]
    assert parse_traceparent(header) == (parse_traceparent(SAMPLED) if header == SAMPLED else None)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"00-{'0' * 32}-{SPAN}-01",  # no trace
        f"00-{TRACE}-{'0' * 16}-01",  # no span
        f"ff-{TRACE}-{SPAN}-01",  # a forbidden version
        f"{SAMPLED}-extra",  # version 00 has four fields
        f"cc-{TRACE}-{SPAN}-01.extra",  # a later version's fields stand behind a dash
        SAMPLED.upper(),
        f"00-{TRACE[:8]}_{TRACE[9:]}-{SPAN}-01",
    ],
)
def test_a_malformed_header_starts_a_new_trace(header):
    assert parse_traceparent(header) is None
    begun = Tracing("edge").begin(header)
    assert begun.trace_id != TRACE
    assert parse_traceparent(begun.traceparent) == begun


@pytest.mark.parametrize("header", [f"cc-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-comes-later"])
def test_a_later_version_is_understood_as_far_as_it_goes(header):
    assert parse_traceparent(header) == TraceContext(TRACE, SPAN, sampled=True)


@pytest.mark.parametrize("header", [SAMPLED, UNSAMPLED])
def test_a_callers_trace_goes_on(header):
    assert Tracing("edge").begin(header).traceparent == header


@pytest.mark.parametrize(("ratio", "sampled"), [(0.0, {False}), (1.0, {True})])
async def test_the_ratio_decides_where_a_trace_begins(ratio, sampled, collector):
    tracing = Tracing("edge", otlp_endpoint=collector.endpoint, sample_ratio=ratio)
    assert {tracing.begin(None).sampled for _ in range(100)} == sampled
    await asyncio.to_thread(tracing.shutdown)


def test_without_an_endpoint_nothing_is_sampled():
    assert not any(Tracing("edge", sample_ratio=1.0).begin(None).sampled for _ in range(100))


async def test_an_unsampled_call_creates_no_span(collector):
    """Not even an object: every span of it is the same empty context."""
    tracing = Tracing("edge", otlp_endpoint=collector.endpoint, sample_ratio=1.0)
    bind(CallContext(tracing.begin(UNSAMPLED)))
    with tracing.span("authenticate") as span:
        assert span is None
        assert current().trace.traceparent == UNSAMPLED
    assert tracing.span("one") is tracing.span("another")
    await asyncio.to_thread(tracing.shutdown)
    assert collector.spans == []


@asynccontextmanager
async def two_hops(scripted, telemetry: Telemetry, seen: list[str]):
    """The channel of a service `first` that asks a service `last`; both note the traceparent they work under."""

    async def ask_last(request, context):
        seen.append(current().trace.traceparent)
        return await CacheServiceStub(runtime.connect("last")).LookUp(request)

    async def answer(request, context):
        seen.append(current().trace.traceparent)
        return MISS

    settings = Settings(telemetry=telemetry)
    async with running(scripted("last", look_up=answer), settings) as (_, last):
        first = scripted("first", look_up=ask_last)
        async with running(first, settings, peers={"last": last.address}) as (runtime, channel):
            yield channel


async def test_an_unsampled_trace_is_passed_on_as_it_came(scripted, collector):
    telemetry, seen = Telemetry(otlp_endpoint=collector.endpoint, sample_ratio=1.0), []
    async with two_hops(scripted, telemetry, seen) as channel:
        bind(CallContext(parse_traceparent(UNSAMPLED)))
        await CacheServiceStub(channel).LookUp(ASK)
    assert seen == [UNSAMPLED, UNSAMPLED]
    assert collector.spans == []


async def test_a_sampled_call_is_one_trace_over_two_hops(scripted, collector):
    """Each span hangs on the one before it: the caller's, then server and client of the first hop, then the last's."""
    telemetry, seen = Telemetry(otlp_endpoint=collector.endpoint, sample_ratio=0.0), []
    async with two_hops(scripted, telemetry, seen) as channel:
        bind(CallContext(parse_traceparent(SAMPLED)))
        await CacheServiceStub(channel).LookUp(ASK)
    assert {span.trace_id.hex() for _, span in collector.spans} == {TRACE}
    assert {parse_traceparent(header).trace_id for header in seen} == {TRACE}
    name = "runestone.cache.v1.CacheService/LookUp"
    children = {span.parent_span_id.hex(): (service, span) for service, span in collector.spans}
    assert walk(children, SPAN) == [
        ("runestone-first", name, Span.SPAN_KIND_SERVER),
        ("runestone-first", name, Span.SPAN_KIND_CLIENT),
        ("runestone-last", name, Span.SPAN_KIND_SERVER),
    ]


def walk(children: dict[str, tuple[str, Span]], parent: str) -> list[tuple[str, str, int]]:
    """The chain of spans below `parent`."""
    chain = []
    while parent in children:
        service, span = children[parent]
        chain.append((service, span.name, span.kind))
        parent = span.span_id.hex()
    return chain


async def test_a_failed_rpc_is_a_failed_span_that_says_why(scripted, collector):
    async def refuse(request, context):
        raise RunestoneError(Reason.RATE_LIMITED, "too many calls of acme")

    settings = Settings(telemetry=Telemetry(otlp_endpoint=collector.endpoint, sample_ratio=0.0))
    async with running(scripted(look_up=refuse), settings) as (_, channel):
        bind(CallContext(parse_traceparent(SAMPLED)))
        with pytest.raises(RunestoneError):
            await CacheServiceStub(channel).LookUp(ASK)
    ((_, span),) = collector.spans
    attributes = {item.key: item.value.string_value for item in span.attributes}
    assert (span.status.code, attributes["error.type"]) == (Status.STATUS_CODE_ERROR, "RATE_LIMITED")
    assert b"acme" not in span.SerializeToString()


async def test_spans_of_one_call_nest_and_end_where_they_began(collector):
    tracing = Tracing("edge", otlp_endpoint=collector.endpoint, sample_ratio=1.0)
    bind(CallContext(parse_traceparent(SAMPLED)))
    with tracing.span("outer"), tracing.span("inner", attributes={"runestone.cache": "HIT"}):
        assert current().trace.span_id != SPAN
    assert current().trace.traceparent == SAMPLED
    await asyncio.to_thread(tracing.shutdown)
    children = {span.parent_span_id.hex(): (service, span) for service, span in collector.spans}
    assert [name for _, name, _ in walk(children, SPAN)] == ["outer", "inner"]


async def test_a_peer_that_is_not_ours_may_send_no_context(scripted):
    """grpcurl sends none: the call is the first of a new trace."""
    seen = []

    async def look_up(request, context):
        seen.append(current().trace)
        return MISS

    async with (
        running(scripted(look_up=look_up), Settings()) as (_, channel),
        grpc.aio.insecure_channel(channel.address) as plain,
    ):
        await CacheServiceStub(plain).LookUp(ASK)
    assert parse_traceparent(seen[0].traceparent) == seen[0]
