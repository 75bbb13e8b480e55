"""Spans leave beside the calls: what the collector does not take is dropped and counted, and nobody waits for it."""

import asyncio
import json
import os
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chassis import logs, trace_export
from chassis.context import CallContext, bind, current
from chassis.metrics import Metrics
from chassis.testing import free_port
from chassis.tracing import TRACESTATE, Tracing, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{SPAN}-01"


def spans_by_outcome(metrics: Metrics) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        sample.labels["outcome"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "runestone_trace_spans_total"
    }


def record(tracing: Tracing, count: int) -> None:
    bind(CallContext(parse_traceparent(SAMPLED)))
    for _ in range(count):
        with tracing.span("work"):
            pass


async def test_what_a_collector_that_hangs_does_not_take_is_dropped_and_counted(monkeypatch):
    """And the bound holds: no more spans wait than may, beside those of one batch that is being sent."""
    monkeypatch.setattr(trace_export, "MOST_WAITING", 600)
    monkeypatch.setattr(trace_export, "EXPORT_TIMEOUT", 2)
    monkeypatch.setattr(trace_export, "LAST_EXPORTS", 0.0)
    metrics = Metrics()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tracing = Tracing("edge", otlp_endpoint=endpoint, metrics=metrics)
        record(tracing, 3_000)
        dropped = spans_by_outcome(metrics)["dropped"]
        await asyncio.wait_for(asyncio.to_thread(tracing.shutdown), 20)
    counted = spans_by_outcome(metrics)
    assert counted == {"sent": 0, "failed": 3_000 - dropped, "dropped": dropped}
    assert dropped >= 3_000 - 600 - 2 * 512


async def test_that_nobody_collects_is_said_in_lines_of_the_log(capsys):
    logs.configure(as_json=True)
    tracing = Tracing("edge", otlp_endpoint=f"http://127.0.0.1:{free_port()}")
    record(tracing, 1)
    await asyncio.wait_for(asyncio.to_thread(tracing.shutdown), 20)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {(line["event"], line["level"]) for line in lines} == {("spans not sent", "warning")}
    assert "UNAVAILABLE" in lines[-1]["reason"]


async def test_what_the_collector_takes_is_counted_as_sent(collector):
    metrics = Metrics()
    tracing = Tracing("edge", otlp_endpoint=collector.endpoint, metrics=metrics)
    record(tracing, 7)
    await asyncio.to_thread(tracing.shutdown)
    assert spans_by_outcome(metrics) == {"sent": 7, "failed": 0, "dropped": 0}
    assert len(collector.spans) == 7


async def test_the_environment_gives_headers_and_the_place_of_the_process(collector, monkeypatch):
    """The variables are OpenTelemetry's own; the service's name is not theirs to change."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=platform")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=edge-7,service.name=other,service.instance.id=pod-7")
    tracing = Tracing("edge", otlp_endpoint=collector.endpoint)
    record(tracing, 1)
    await asyncio.to_thread(tracing.shutdown)
    assert collector.headers["x-team"] == "platform"
    (resource,) = collector.resources
    assert resource["service.name"] == "runestone-edge"
    assert (resource["k8s.pod.name"], resource["service.instance.id"]) == ("edge-7", "pod-7")
    assert resource["service.namespace"] == "runestone"


@pytest.mark.parametrize(
    ("header", "passed"),
    [("vendor=a,other=b", "vendor=a,other=b"), ("", ""), ("x" * 513, ""), ("vendor=ä", ""), ("vendor=a\nb=c", "")],
)
def test_what_other_tracers_say_is_passed_on_as_far_as_it_is_a_header(header, passed):
    assert Tracing("edge").begin(SAMPLED, header).state == passed


def test_what_other_tracers_say_of_no_trace_says_nothing():
    """W3C Trace Context 3.2.2.1: without a valid traceparent it is not used."""
    assert Tracing("edge").begin(None, "vendor=a").state == ""
    assert TRACESTATE == "tracestate"


async def test_a_span_keeps_what_other_tracers_say(collector):
    tracing = Tracing("edge", otlp_endpoint=collector.endpoint)
    bind(CallContext(tracing.begin(SAMPLED, "vendor=a")))
    with tracing.span("work"):
        assert current().trace.state == "vendor=a"
    await asyncio.to_thread(tracing.shutdown)
    ((_, span),) = collector.spans
    assert span.trace_state == "vendor=a"


def test_who_opts_in_by_the_environment_gets_todays_names(monkeypatch):
    monkeypatch.setitem(os.environ, "OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")
    assert Tracing("edge", naming="legacy")._naming == "current"
