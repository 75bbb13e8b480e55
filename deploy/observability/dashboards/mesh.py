"""Inside: each hop between services, their processes, the audit trail, and what is lost of traces."""

from dashboards.model import QUARTER, Dashboard, Panel, Query, Row
from dashboards.promql import each, growth, mean, quantile, rate, select, share, total
from dashboards.variables import NAMESPACE, SERVICE

OF = 'service=~"$service"'
CLIENT, SERVER = "runestone_rpc_client_seconds", "runestone_rpc_server_seconds"

HOPS = Row(
    title="Each hop",
    panels=(
        Panel(
            title="Rpcs by callee",
            says="As callers count them.",
            queries=each(rate(f"{CLIENT}_count", OF, by="service, peer"), "{{service}} → {{peer}}"),
            unit="reqps",
        ),
        Panel(
            title="Rpcs that failed",
            says="By code, as callers see it; a provider's failure goes through provider-svc as one. UNAVAILABLE, DEADLINE_EXCEEDED: the callee or the way there.",
            queries=each(rate(f"{CLIENT}_count", OF, 'code!="OK"', by="peer, code"), "{{peer}} {{code}}"),
            unit="reqps",
            runbook="internal-errors",
        ),
        Panel(
            title="Faults in services",
            says="INTERNAL and UNKNOWN are faults of ours: the service's log has the trace of it.",
            queries=each(
                rate(f"{SERVER}_count", OF, 'code=~"INTERNAL|UNKNOWN"', by="service, method"), "{{service}} {{method}}"
            ),
            unit="reqps",
            runbook="internal-errors",
        ),
        Panel(
            title="Time of an rpc, p99, by caller",
            says="Between this and the next chart is the network, and queues.",
            queries=each(quantile(0.99, CLIENT, OF, by="peer, method"), "{{peer}} {{method}}", exemplar=True),
            unit="s",
        ),
        Panel(
            title="Time of an rpc, p99, by callee",
            says="Without the network. Watches and calls of models last as long as they last.",
            queries=each(quantile(0.99, SERVER, OF, by="service, method"), "{{service}} {{method}}", exemplar=True),
            unit="s",
        ),
        Panel(
            title="Rpcs that run",
            says="At the callee. Growing while nothing ends: it hangs, or what it waits for does.",
            queries=each(total("runestone_rpc_server_running", OF, by="service"), "{{service}}"),
        ),
    ),
)

SESSIONS = Row(
    title="Sessions between services",
    panels=(
        Panel(
            title="Replicas, as callers see them",
            says="`down` and `left_out` above 0 for longer than a rollout: that part's pods, policies, certificates.",
            queries=each(
                total("runestone_peer_replicas", OF, by="service, peer, state"), "{{service}} → {{peer}} {{state}}"
            ),
            width=QUARTER,
            runbook="part-down",
        ),
        Panel(
            title="Parts that are left alone",
            says="An edge's breaker: the part failed five times in a row and is asked once a second.",
            queries=each(f"max by (part) ({select('runestone_breaker_open')})", "{{part}}"),
            width=QUARTER,
            most=1,
            runbook="part-left-alone",
        ),
        Panel(
            title="Sessions, calls at peers",
            says="Sessions that are open at a service, and rpcs that its callers have running there.",
            queries=(
                Query(expr=total("runestone_mux_sessions", OF, by="service"), legend="{{service}} sessions"),
                Query(expr=total("runestone_peer_calls_running", OF, by="peer"), legend="at {{peer}}"),
            ),
            width=QUARTER,
        ),
        Panel(
            title="Bytes that wait to be sent",
            says="To a peer. For long: the peer is too busy to read, or the network is full.",
            queries=each(total("runestone_peer_queued_bytes", OF, by="service, peer"), "{{service}} → {{peer}}"),
            unit="bytes",
            width=QUARTER,
            runbook="event-loop-late",
        ),
    ),
)

PROCESSES = Row(
    title="Processes",
    panels=(
        Panel(
            title="Event loop, how late, p99",
            says="By process as it is scraped. From 100 ms on all that it does is late.",
            queries=each(
                quantile(0.99, "runestone_loop_lag_seconds", OF, by="service, instance"), "{{service}} {{instance}}"
            ),
            unit="s",
            width=QUARTER,
            steps=((0.1, "orange"), (0.25, "red")),
            runbook="event-loop-late",
        ),
        Panel(
            title="Memory",
            says="Resident, by process as it is scraped.",
            queries=each(
                total("runestone_process_resident_memory_bytes", OF, by="service, instance"), "{{service}} {{instance}}"
            ),
            unit="bytes",
            width=QUARTER,
            runbook="memory-near-limit",
        ),
        Panel(
            title="File descriptors",
            says="The share of what may be open. Each connection is one.",
            queries=each(
                f"{total('runestone_process_open_fds', OF, by='service, instance')}"
                f" / {total('runestone_process_max_fds', OF, by='service, instance')}",
                "{{service}} {{instance}}",
            ),
            unit="percentunit",
            width=QUARTER,
            steps=((0.8, "red"),),
            runbook="file-descriptors-near-limit",
        ),
        Panel(
            title="Builds",
            says="More than one version for longer than a rollout: it stands still.",
            queries=each(
                f"count by (service, version, revision) ({select('runestone_build_info', OF)})",
                "{{service}} {{version}} {{revision}}",
            ),
            width=QUARTER,
            is_stacked=True,
            runbook="versions-differ",
        ),
        Panel(
            title="Collections of garbage",
            says="Of the oldest generation; each stops the process for a moment.",
            queries=each(rate("python_gc_collections_total", OF, 'generation="2"', by="service"), "{{service}}"),
            unit="cps",
            width=QUARTER,
        ),
        Panel(
            title="Certificates, time that is left",
            says="Until the certificate in use ends. Nothing: mutual TLS is off.",
            queries=each(
                f"min by (service) ({select('runestone_tls_certificate_expiry_timestamp_seconds', OF)}) - time()",
                "{{service}}",
            ),
            unit="s",
            width=QUARTER,
            runbook="certificate-expires",
        ),
        Panel(
            title="Time in middleware, mean",
            says="Exclusive of what it wraps. Yours is listed by its name.",
            queries=each(mean("runestone_middleware_seconds", by="middleware"), "{{middleware}}"),
            unit="s",
            width=QUARTER,
        ),
        Panel(
            title="Faults in middleware and rules",
            says="What users' middleware raised, and rules that could not be computed. The edge's log has each.",
            queries=(
                Query(expr=growth("runestone_middleware_errors_total", by="middleware"), legend="{{middleware}}"),
                Query(expr=growth("runestone_rule_failures_total", by="model"), legend="rules of {{model}}"),
            ),
            width=QUARTER,
            runbook="internal-errors",
        ),
    ),
)

AUDIT = Row(
    title="Audit trail, limiter, traces",
    panels=(
        Panel(
            title="Records a second",
            says="Shipped by edges, kept by audit-svc. Duplicates are batches that were sent again.",
            queries=(
                Query(expr=rate("runestone_audit_shipped_total"), legend="shipped"),
                Query(expr=rate("runestone_audit_appended_total"), legend="kept"),
                Query(expr=rate("runestone_audit_duplicates_total"), legend="duplicates"),
            ),
            unit="cps",
            width=QUARTER,
            runbook="audit-records-late",
        ),
        Panel(
            title="Time to keep a batch, p99",
            says="Until it is durable. Slow: the store's disk, or PostgreSQL.",
            queries=each(quantile(0.99, "runestone_audit_append_seconds"), "p99"),
            unit="s",
            width=QUARTER,
            runbook="audit-store-down",
        ),
        Panel(
            title="Records in a batch",
            says="The mean. Large batches: audit-svc is behind.",
            queries=each(mean("runestone_audit_batch_records"), "records"),
            width=QUARTER,
            runbook="audit-records-late",
        ),
        Panel(
            title="Records in trouble",
            says="Waiting, refused (kept in `rejected.log`), damaged, lost. The last three should be 0 for ever.",
            queries=(
                Query(expr=total("runestone_audit_spool_records"), legend="waiting"),
                Query(expr=growth("runestone_audit_ship_failures_total"), legend="batches not taken"),
                Query(expr=growth("runestone_audit_rejected_total"), legend="refused"),
                Query(expr=total("runestone_audit_spool_corrupt_frames"), legend="damaged"),
                Query(expr=total("runestone_audit_spool_lost"), legend="lost"),
            ),
            width=QUARTER,
            runbook="audit-records-rejected",
        ),
        Panel(
            title="Limiter's store, p99",
            says="Time for a decision. On Redis: a round trip. Edges lease, so that most calls wait for none.",
            queries=each(quantile(0.99, "runestone_ratelimit_store_seconds"), "p99"),
            unit="s",
            width=QUARTER,
            runbook="limiter-store-down",
        ),
        Panel(
            title="Leases",
            says="Units that edges took ahead and gave back, and those that they may still spend.",
            queries=(
                Query(expr=rate("runestone_ratelimit_leased_units_total"), legend="leased a second"),
                Query(expr=rate("runestone_ratelimit_returned_units_total"), legend="given back a second"),
                Query(expr=total("runestone_limit_leased_units"), legend="held"),
            ),
            width=QUARTER,
            runbook="limits-not-enforced",
        ),
        Panel(
            title="Spans",
            says="`failed`, `dropped`: the collector does not keep up, or is away; calls do not wait for it.",
            queries=(
                Query(expr=rate("runestone_trace_spans_total", OF, by="outcome"), legend="{{outcome}}"),
                Query(expr=total("runestone_trace_spans_waiting", OF), legend="waiting"),
            ),
            width=QUARTER,
            runbook="spans-dropped",
        ),
        Panel(
            title="Lost spans",
            says="The share of spans that did not arrive.",
            queries=each(
                share(
                    rate("runestone_trace_spans_total", OF, 'outcome!="sent"', by="service"),
                    rate("runestone_trace_spans_total", OF, by="service"),
                ),
                "{{service}}",
            ),
            unit="percentunit",
            width=QUARTER,
            runbook="spans-dropped",
        ),
    ),
)

MESH = Dashboard(
    name="mesh",
    title="Mesh",
    says="Each hop, sessions, processes, the audit trail and what is lost of traces.",
    variables=(NAMESPACE, SERVICE),
    rows=(HOPS, SESSIONS, PROCESSES, AUDIT),
)
