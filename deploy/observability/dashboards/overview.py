"""Is the gateway well? The page to begin with: what clients see first, then what could be the cause."""

from dashboards.model import LOW, QUARTER, Dashboard, Panel, Query, Row
from dashboards.promql import each, growth, quantile, quantiles, rate, select, share, total
from dashboards.variables import NAMESPACE

CALLS = "runestone_calls_total"
FAILED = 'status=~"5.."'
EDGE = 'service="edge"'

AT_A_GLANCE = Row(
    title="At a glance",
    panels=(
        Panel(
            title="Availability, one hour",
            says="Calls that did not end with a 5xx. The objective is 99.9 %. Below: see errors by status, then the failing provider or part.",
            queries=each(f"1 - {share(rate(CALLS, FAILED, window='1h'), rate(CALLS, window='1h'))}", "availability"),
            unit="percentunit",
            kind="stat",
            width=4,
            height=LOW,
            steps=((0, "red"), (0.998, "orange"), (0.999, "green")),
            runbook="error-budget",
        ),
        Panel(
            title="Calls a second",
            says="All calls at the doors: HTTP, messages on WebSockets, gRPC. None at all: see whether edges are there and Envoy reaches them.",
            queries=each(rate(CALLS), "calls"),
            unit="reqps",
            kind="stat",
            width=4,
            height=LOW,
            runbook="edge-absent",
        ),
        Panel(
            title="Edges that answer Prometheus",
            says="Processes of the edge that were scraped. Fewer than wanted: `kubectl get pods`, and the readiness page of those that are left.",
            queries=each(f"count({select('runestone_build_info', EDGE)})", "edges"),
            kind="stat",
            width=4,
            height=LOW,
            steps=((0, "red"), (1, "orange"), (2, "green")),
            runbook="edge-absent",
        ),
        Panel(
            title="Running calls",
            says="Calls that are being answered now, long streams among them. Edges are scaled by this.",
            queries=each(total("runestone_calls_running"), "running"),
            kind="stat",
            width=4,
            height=LOW,
            runbook="calls-shed",
        ),
        Panel(
            title="Cache hits",
            says="Answers out of the cache, of the calls that it could have answered. What it saves is on the page about the cache.",
            queries=each(
                share(
                    rate("runestone_cache_answers_total", 'outcome=~"HIT|COALESCED"'),
                    rate("runestone_cache_answers_total", 'outcome!="BYPASS"'),
                ),
                "hits",
            ),
            unit="percentunit",
            kind="stat",
            width=4,
            height=LOW,
        ),
        Panel(
            title="Cost an hour",
            says="What providers are owed at today's pace. A jump: see the pages by tenant and by provider.",
            queries=each(f"3600 * {rate('runestone_upstream_cost_dollars_total')}", "dollars"),
            unit="currencyUSD",
            kind="stat",
            width=4,
            height=LOW,
        ),
    ),
)

DOOR = Row(
    title="At the door: rate, errors, duration",
    panels=(
        Panel(
            title="Calls by status",
            says="499: the client went. 429: limits, or bounds of a key. 502 to 504: providers, or a part of the mesh.",
            queries=each(rate(CALLS, by="status"), "{{status}}"),
            unit="reqps",
            is_stacked=True,
            runbook="error-budget",
        ),
        Panel(
            title="Failed calls by route",
            says="The share of a route's calls that ended with a 5xx. One route only: its dialect or its providers; all: a part of the mesh.",
            queries=each(share(rate(CALLS, FAILED, by="endpoint"), rate(CALLS, by="endpoint")), "{{endpoint}}"),
            unit="percentunit",
            steps=((0.001, "orange"), (0.0144, "red")),
            runbook="error-budget",
        ),
        Panel(
            title="Calls by route",
            says="What is asked. `ws ...` and `grpc ...` are messages on WebSockets and rpcs of the edge's gRPC door.",
            queries=each(rate(CALLS, by="endpoint"), "{{endpoint}}"),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Time to the last byte",
            says="Most of it is the providers'. Compare with their page before looking for the cause here; dots lead to traces.",
            queries=quantiles("runestone_call_seconds"),
            unit="s",
        ),
        Panel(
            title="Time to the first chunk of a stream",
            says="What people feel. The objective is 2.5 s for 99 % of the streams.",
            queries=quantiles("gen_ai_server_time_to_first_token_seconds"),
            unit="s",
            steps=((2.5, "red"),),
            runbook="first-chunk-budget",
        ),
        Panel(
            title="Time to the first byte, by route",
            says="99 of 100 calls. Whole answers have theirs when the answer is complete.",
            queries=each(
                quantile(0.99, "runestone_call_first_byte_seconds", by="endpoint"), "{{endpoint}}", exemplar=True
            ),
            unit="s",
            runbook="first-chunk-budget",
        ),
    ),
)

SATURATION = Row(
    title="How full it is",
    panels=(
        Panel(
            title="Event loop, how late",
            says="99 of 100 turns, by service. From 100 ms on everything that the process does is late: more replicas, or less work in one.",
            queries=each(quantile(0.99, "runestone_loop_lag_seconds", by="service"), "{{service}}"),
            unit="s",
            width=QUARTER,
            steps=((0.1, "orange"), (0.25, "red")),
            runbook="event-loop-late",
        ),
        Panel(
            title="Processor",
            says="Cores that a service takes, all of its processes together. One process takes one at most.",
            queries=each(rate("runestone_process_cpu_seconds_total", by="service"), "{{service}}"),
            unit="none",
            width=QUARTER,
            runbook="event-loop-late",
        ),
        Panel(
            title="Memory",
            says="What the kernel counts, a service's processes together. What each may take is in docs/operations.md.",
            queries=each(total("runestone_process_resident_memory_bytes", by="service"), "{{service}}"),
            unit="bytes",
            width=QUARTER,
            runbook="memory-near-limit",
        ),
        Panel(
            title="Running calls by edge",
            says="Uneven for long: streams that last, or an edge that Envoy does not balance to.",
            queries=each(total("runestone_calls_running", by="instance"), "{{instance}}"),
            width=QUARTER,
            runbook="calls-shed",
        ),
        Panel(
            title="Calls shed",
            says="Refused with 503 because an edge had too many calls, too late a loop or too little memory. Those of the lowest priority go first.",
            queries=each(rate("runestone_calls_shed_total", by="pressure"), "{{pressure}}"),
            unit="reqps",
            width=QUARTER,
            runbook="calls-shed",
        ),
        Panel(
            title="Calls and connections above a bound",
            says="One key or one address has more than it may (`edge.protection`). Whose: `runestone audit search --status 429`.",
            queries=(
                Query(expr=rate("runestone_calls_above_bound_total", by="bound"), legend="calls: {{bound}}"),
                Query(expr=rate("runestone_connections_refused_total", by="bound"), legend="connections: {{bound}}"),
            ),
            unit="reqps",
            width=QUARTER,
            runbook="connections-refused",
        ),
        Panel(
            title="Limits",
            says="Calls under limits by who decided. `nobody`: ratelimit-svc did not answer, and limits are not enforced.",
            queries=each(rate("runestone_limit_decisions_total", by="by"), "{{by}}"),
            unit="reqps",
            width=QUARTER,
            runbook="limits-not-enforced",
        ),
        Panel(
            title="Refused by limits",
            says="Calls of tenants above their limits: 429 with `retry-after`. Whose: the page by tenant.",
            queries=(
                Query(expr=rate("runestone_ratelimit_decisions_total", by="outcome"), legend="{{outcome}}"),
                Query(
                    expr=rate("runestone_ratelimit_domain_requests_total", 'outcome="refused"', by="domain"),
                    legend="Envoy: {{domain}}",
                ),
            ),
            unit="reqps",
            width=QUARTER,
            runbook="limits-not-enforced",
        ),
    ),
)

BEHIND = Row(
    title="What is behind",
    panels=(
        Panel(
            title="Providers: failed upstream calls",
            says="The share of a provider's calls that failed; retries and fallbacks hide most of them from clients.",
            queries=each(
                share(
                    rate("runestone_upstream_calls_total", 'outcome=~"PROVIDER_.*"', by="provider"),
                    rate("runestone_upstream_calls_total", by="provider"),
                ),
                "{{provider}}",
            ),
            unit="percentunit",
            width=QUARTER,
            steps=((0.05, "orange"), (0.2, "red")),
            runbook="provider-failing",
        ),
        Panel(
            title="Targets left alone",
            says="Targets that get no calls because they failed. `runestone targets` says why and until when.",
            queries=each(f"count by (provider) ({select('runestone_target_open')} == 1)", "{{provider}}"),
            width=QUARTER,
            runbook="target-open",
        ),
        Panel(
            title="Replicas of parts, as others see them",
            says="`down` and `left_out` above 0 for longer than a rollout: see that part's pods, and policies and certificates on the way.",
            queries=each(total("runestone_peer_replicas", 'state!="up"', by="peer, state"), "{{peer}} {{state}}"),
            width=QUARTER,
            runbook="part-down",
        ),
        Panel(
            title="Stores",
            says="1: the shared store of a service answers. Redis for cache and ratelimit, PostgreSQL for audit. Nothing: it has none.",
            queries=(
                Query(expr=f"min by (service) ({select('runestone_store_up')})", legend="{{service}}"),
                Query(expr=f"min by (service) ({select('runestone_state_up')})", legend="{{service}} state"),
            ),
            width=QUARTER,
            most=1,
            runbook="cache-store-down",
        ),
        Panel(
            title="Audit spool",
            says="Bytes of records that audit-svc has not acknowledged. At the dashed bound of an edge it refuses calls.",
            queries=(
                Query(expr=total("runestone_audit_spool_bytes", by="instance"), legend="{{instance}}"),
                Query(expr=f"max({select('runestone_audit_spool_max_bytes')})", legend="bound"),
            ),
            unit="bytes",
            width=QUARTER,
            runbook="audit-spool-full",
        ),
        Panel(
            title="Oldest audit record",
            says="How long the oldest record waits. Above a minute audit-svc or its store is slow, or away.",
            queries=each(f"max by (instance) ({select('runestone_audit_spool_oldest_seconds')})", "{{instance}}"),
            unit="s",
            width=QUARTER,
            steps=((60, "orange"), (300, "red")),
            runbook="audit-records-late",
        ),
        Panel(
            title="Starts again",
            says="Processes that began anew. More than a rollout's: the log of the one that ended says why.",
            queries=(
                Query(expr=growth("runestone_part_restarts_total", by="part"), legend="{{part}}"),
                Query(
                    expr=f"sum by (service) (changes({select('runestone_process_start_time_seconds')}[$__rate_interval]))",
                    legend="{{service}}",
                ),
            ),
            width=QUARTER,
            runbook="restarts",
        ),
        Panel(
            title="Configurations in force",
            says="More than one for longer than a rollout: somebody has not read the new one.",
            queries=each(f"count by (version) ({select('runestone_snapshot_info')} == 1)", "{{version}}"),
            width=QUARTER,
            is_stacked=True,
            runbook="versions-differ",
        ),
    ),
)

OVERVIEW = Dashboard(
    name="overview",
    title="Overview",
    says="Is the gateway well? What clients see, how full it is, and what is behind.",
    variables=(NAMESPACE,),
    rows=(AT_A_GLANCE, DOOR, SATURATION, BEHIND),
)
