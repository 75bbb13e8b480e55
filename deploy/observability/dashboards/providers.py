"""How providers, their targets, keys and connections do."""

from dashboards.model import QUARTER, Dashboard, Panel, Query, Row
from dashboards.promql import each, growth, mean, quantile, rate, select, share, total
from dashboards.variables import MODEL, NAMESPACE, PROVIDER

OF = 'provider=~"$provider"'
TARGET = 'model=~"$model"'
CALLS = "runestone_upstream_calls_total"
TARGETS = "runestone_target_calls_total"

RED = Row(
    title="Upstream calls",
    panels=(
        Panel(
            title="Calls by outcome",
            says="`completed`, or a reason of proto/README.md. CANCELLED: the client went, or a hedge lost.",
            queries=each(rate(CALLS, OF, by="provider, outcome"), "{{provider}} {{outcome}}"),
            unit="reqps",
            is_stacked=True,
            runbook="provider-failing",
        ),
        Panel(
            title="Failed calls by target",
            says="The share of a target's calls that failed. One model only: that model; all of a provider: the provider, the key, the way there.",
            queries=each(
                share(
                    rate(TARGETS, OF, TARGET, 'outcome=~"PROVIDER_.*"', by="provider, model"),
                    rate(TARGETS, OF, TARGET, by="provider, model"),
                ),
                "{{provider}}/{{model}}",
            ),
            unit="percentunit",
            steps=((0.05, "orange"), (0.2, "red")),
            runbook="provider-failing",
        ),
        Panel(
            title="Running calls by target",
            says="Upstream calls that run. Growing while nothing ends: the provider hangs.",
            queries=each(total("runestone_target_running", OF, TARGET, by="provider, model"), "{{provider}}/{{model}}"),
            runbook="provider-failing",
        ),
        Panel(
            title="Time to the last byte, p95",
            says="By provider. Dots lead to traces.",
            queries=each(
                quantile(0.95, "runestone_upstream_call_seconds", OF, by="provider"), "{{provider}}", exemplar=True
            ),
            unit="s",
        ),
        Panel(
            title="Time to the first byte, p95",
            says="By provider; a hedge begins at a target's own p95.",
            queries=each(
                quantile(0.95, "runestone_upstream_first_byte_seconds", OF, by="provider"),
                "{{provider}}",
                exemplar=True,
            ),
            unit="s",
            runbook="first-chunk-budget",
        ),
        Panel(
            title="Time to the first chunk, p95, by model",
            says="OpenTelemetry's measure, of streams, as asked of the provider.",
            queries=each(
                quantile(
                    0.95,
                    "gen_ai_client_operation_time_to_first_chunk_seconds",
                    by="gen_ai_provider_name, gen_ai_request_model",
                ),
                "{{gen_ai_provider_name}}/{{gen_ai_request_model}}",
                exemplar=True,
            ),
            unit="s",
            runbook="first-chunk-budget",
        ),
    ),
)

TOKENS = Row(
    title="Tokens and money",
    panels=(
        Panel(
            title="Tokens a second",
            says="As providers count them, by direction.",
            queries=each(
                rate("runestone_upstream_tokens_total", OF, by="provider, direction"), "{{provider}} {{direction}}"
            ),
            width=QUARTER,
        ),
        Panel(
            title="Tokens a second of one stream",
            says="The pace at which clients get an answer: the inverse of the mean time for an output token.",
            queries=each(
                "1 / "
                f"({mean('gen_ai_server_time_per_output_token_seconds', by='gen_ai_provider_name, gen_ai_request_model')})",
                "{{gen_ai_provider_name}}/{{gen_ai_request_model}}",
            ),
            width=QUARTER,
        ),
        Panel(
            title="Tokens of a call",
            says="The mean, by kind of token.",
            queries=each(
                mean("gen_ai_client_token_usage", by="gen_ai_request_model, gen_ai_token_type"),
                "{{gen_ai_request_model}} {{gen_ai_token_type}}",
            ),
            width=QUARTER,
        ),
        Panel(
            title="Cost an hour",
            says="By provider. `unpriced` are calls a second whose price nobody knows: add it to `prices` (docs/costs.md).",
            queries=(
                Query(
                    expr=f"3600 * {rate('runestone_upstream_cost_dollars_total', OF, by='provider')}",
                    legend="{{provider}}",
                ),
                Query(
                    expr=rate("runestone_upstream_unpriced_total", OF, by="provider"), legend="{{provider}} unpriced"
                ),
            ),
            unit="currencyUSD",
            width=QUARTER,
        ),
    ),
)

RESCUE = Row(
    title="Breakers, and calls beside the first",
    panels=(
        Panel(
            title="Targets left alone",
            says="1 while a replica sends no calls to a target. `runestone targets` says why and until when.",
            queries=each(
                f"max by (provider, model) ({select('runestone_target_open', OF, TARGET)})", "{{provider}}/{{model}}"
            ),
            most=1,
            runbook="target-open",
        ),
        Panel(
            title="Retries, hedges, fallbacks, continuations",
            says="Upstream calls beside the first. Many retries multiply a provider's load just when it is ill: see the retry budget, docs/routing.md.",
            queries=each(rate("runestone_upstream_extra_calls_total", by="why"), "{{why}}"),
            unit="reqps",
            is_stacked=True,
            runbook="provider-failing",
        ),
        Panel(
            title="Why they were needed",
            says="What had failed before, by entry of `models`.",
            queries=each(
                rate("runestone_upstream_extra_calls_total", 'reason!=""', by="route, reason"), "{{route}} {{reason}}"
            ),
            unit="reqps",
            runbook="provider-failing",
        ),
        Panel(
            title="Calls by entry of `models`, failed",
            says="What clients see in the end: all targets and fallbacks failed.",
            queries=each(
                share(
                    rate("runestone_model_calls_total", 'status=~"5.."', by="model"),
                    rate("runestone_model_calls_total", by="model"),
                ),
                "{{model}}",
            ),
            unit="percentunit",
            steps=((0.05, "orange"), (0.5, "red")),
            runbook="model-unavailable",
        ),
        Panel(
            title="Shared and batched calls",
            says="Calls that needed no upstream call of their own.",
            queries=(
                Query(expr=rate("runestone_upstream_coalesced_total"), legend="coalesced"),
                Query(
                    expr=rate("runestone_upstream_batched_calls_total", OF, by="provider"),
                    legend="{{provider}} batched",
                ),
                Query(expr=rate("runestone_upstream_batches_total", OF, by="provider"), legend="{{provider}} batches"),
            ),
            unit="reqps",
        ),
        Panel(
            title="News of breakers",
            says="Replicas tell each other of targets that fail; `dropped` in number: cache-svc cannot be reached.",
            queries=(
                Query(expr=rate("runestone_hints_told_total"), legend="told"),
                Query(expr=rate("runestone_hints_heard_total"), legend="heard"),
                Query(expr=rate("runestone_hints_dropped_total"), legend="dropped"),
            ),
            unit="cps",
            runbook="part-down",
        ),
    ),
)

CONNECTIONS = Row(
    title="Keys and connections",
    panels=(
        Panel(
            title="Pauses of keys",
            says="A provider refused a key for its rate: the key rests. Often: more keys, or lower limits of tenants.",
            queries=each(growth("runestone_upstream_key_pauses_total", OF, by="provider, key"), "{{provider}} {{key}}"),
            width=QUARTER,
            runbook="keys-paused",
        ),
        Panel(
            title="Room that keys have",
            says="Running calls by what the key may have at once. At 1 calls wait or go elsewhere.",
            queries=each(
                f"{total('runestone_upstream_key_running', OF, by='provider, key')}"
                f" / {total('runestone_upstream_key_limit', OF, by='provider, key')}",
                "{{provider}} {{key}}",
            ),
            unit="percentunit",
            width=QUARTER,
            steps=((0.9, "orange"),),
            runbook="keys-paused",
        ),
        Panel(
            title="Connections",
            says="Pools by state. Much `dialing`: connections do not last; see the provider's address, and proxies on the way.",
            queries=each(
                total("runestone_upstream_pool_connections", OF, by="provider, state"), "{{provider}} {{state}}"
            ),
            width=QUARTER,
            is_stacked=True,
            runbook="pool-waiting",
        ),
        Panel(
            title="Calls that wait for a connection",
            says="Above 0 for long: raise the provider's `connections.max`, or it is slower than usual.",
            queries=each(total("runestone_upstream_pool_waiting", OF, by="provider"), "{{provider}}"),
            width=QUARTER,
            runbook="pool-waiting",
        ),
        Panel(
            title="Dials",
            says="New connections, by how it went.",
            queries=each(
                rate("runestone_upstream_dials_total", OF, by="provider, outcome"), "{{provider}} {{outcome}}"
            ),
            unit="cps",
            width=QUARTER,
            runbook="pool-waiting",
        ),
        Panel(
            title="Connections used again",
            says="The share of uses of a connection that had one before. A dial costs a round trip or three.",
            queries=each(
                share(
                    rate("runestone_upstream_reused_total", OF, by="provider"),
                    f"({rate('runestone_upstream_reused_total', OF, by='provider')}"
                    f" + {rate('runestone_upstream_dials_total', OF, by='provider')})",
                ),
                "{{provider}}",
            ),
            unit="percentunit",
            width=QUARTER,
        ),
        Panel(
            title="Sent again",
            says="Requests that met a connection which the provider had just closed. Many: a shorter `connections.idle` than the provider keeps them.",
            queries=each(rate("runestone_upstream_repeated_total", OF, by="provider"), "{{provider}}"),
            unit="cps",
            width=QUARTER,
        ),
        Panel(
            title="Look-ups of names",
            says="`failed`: the resolver; connections that are open go on.",
            queries=each(
                rate("runestone_upstream_look_ups_total", OF, by="provider, outcome"), "{{provider}} {{outcome}}"
            ),
            unit="cps",
            width=QUARTER,
        ),
    ),
)

PROVIDERS = Dashboard(
    name="providers",
    title="Providers",
    says="Each provider and target: latency, tokens, errors, breakers, calls beside the first, keys and pools.",
    variables=(NAMESPACE, PROVIDER, MODEL),
    rows=(RED, TOKENS, RESCUE, CONNECTIONS),
)
