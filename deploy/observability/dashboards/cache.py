"""Does the answer cache help, does it fit, and does its store answer?"""

from dashboards.model import QUARTER, Dashboard, Panel, Query, Row
from dashboards.promql import each, growth, quantiles, rate, select, share, total
from dashboards.variables import NAMESPACE

ANSWERS = "runestone_cache_answers_total"
EDGE = 'service="edge"'
CACHE_SVC = 'service="cache"'
BREAKERS = 'part=~"cache|idempotency"'

HELP = Row(
    title="Does it help",
    panels=(
        Panel(
            title="Calls by how the cache took part",
            says="HIT, MISS, REFRESH (asked to be asked anew), COALESCED (shared another's call), BYPASS (not to be cached; docs/cache.md says why).",
            queries=each(rate(ANSWERS, by="outcome"), "{{outcome}}"),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Hits",
            says="Of calls that could be answered out of it. A fall after a release: a prompt that changes with each call.",
            queries=each(share(rate(ANSWERS, 'outcome=~"HIT|COALESCED"'), rate(ANSWERS, 'outcome!="BYPASS"')), "hits"),
            unit="percentunit",
            most=1,
        ),
        Panel(
            title="Saved an hour",
            says="What no provider had to be paid. The edges' count, which holds also what never reached cache-svc.",
            queries=each(f"3600 * {rate('runestone_cache_saved_dollars_total', EDGE)}", "dollars"),
            unit="currencyUSD",
        ),
        Panel(
            title="Tokens saved a second",
            says="Which no provider read or wrote.",
            queries=each(rate("runestone_cache_saved_tokens_total", EDGE, by="direction"), "{{direction}}"),
        ),
        Panel(
            title="Edges' own copies",
            says="Hits and misses that edges knew of without asking cache-svc, and answers shared with a running call.",
            queries=(
                Query(expr=rate("runestone_cache_near_hits_total"), legend="near hits"),
                Query(expr=rate("runestone_cache_near_misses_total"), legend="near misses"),
                Query(expr=rate("runestone_cache_coalesced_total"), legend="coalesced"),
            ),
            unit="reqps",
        ),
        Panel(
            title="Asked at start, asked anew",
            says="Questions of `cache.warm` by what came of them, and REFRESH: calls that asked the provider although an answer was kept.",
            queries=(
                Query(expr=growth("runestone_cache_warmed_total", by="outcome"), legend="warmed: {{outcome}}"),
                Query(expr=growth(ANSWERS, 'outcome="REFRESH"'), legend="revalidated"),
            ),
        ),
    ),
)

SIZE = Row(
    title="Does it fit",
    panels=(
        Panel(
            title="Answers kept",
            says="In cache-svc's own memory; on Redis its own figures count.",
            queries=each(total("runestone_cache_entries"), "answers"),
            width=QUARTER,
        ),
        Panel(
            title="Bytes kept",
            says="Answers in cache-svc (`cache.max_bytes`), and edges' copies (`cache.near.max_bytes`, each).",
            queries=(
                Query(expr=total("runestone_cache_bytes"), legend="cache-svc"),
                Query(expr=total("runestone_near_cache_bytes"), legend="edges"),
            ),
            unit="bytes",
            width=QUARTER,
        ),
        Panel(
            title="Evicted, stored, purged",
            says="Fresh answers dropped to make room. About as many as stored: it is too small, `cache.max_bytes`.",
            queries=(
                Query(expr=rate("runestone_cache_evictions_total"), legend="evicted"),
                Query(expr=rate("runestone_cache_stores_total"), legend="stored"),
                Query(expr=rate("runestone_cache_purged_total"), legend="purged"),
            ),
            unit="cps",
            width=QUARTER,
        ),
        Panel(
            title="Edges' copies",
            says="Answers copied; `may be given` counts the edges that hear of purges. Fewer than edges: cache-svc cannot be watched.",
            queries=(
                Query(expr=total("runestone_near_cache_copies"), legend="copies"),
                Query(expr=total("runestone_near_cache_live"), legend="may be given"),
                Query(expr=total("runestone_cache_watchers"), legend="watchers"),
            ),
            width=QUARTER,
            runbook="part-left-alone",
        ),
    ),
)

STORE = Row(
    title="The store",
    panels=(
        Panel(
            title="Does it answer",
            says="1: Redis answers. 0: calls go to providers as if nothing were kept; idempotency, rooms and copies of streams fail.",
            queries=(
                Query(expr=f"min({select('runestone_store_up', CACHE_SVC)})", legend="answers"),
                Query(expr=f"min({select('runestone_state_up', CACHE_SVC)})", legend="state"),
                Query(
                    expr=f"max({select('runestone_breaker_open', BREAKERS)})",
                    legend="left alone by edges",
                ),
            ),
            width=QUARTER,
            most=1,
            runbook="cache-store-down",
        ),
        Panel(
            title="Look-ups by outcome",
            says="`unavailable`: the store did not answer within its deadline.",
            queries=each(rate("runestone_cache_lookups_total", by="outcome"), "{{outcome}}"),
            unit="cps",
            width=QUARTER,
            is_stacked=True,
            runbook="cache-store-down",
        ),
        Panel(
            title="Time of a look-up",
            says="As edges see it, with the way there. The edge gives up after a short deadline and asks the provider.",
            queries=quantiles(
                "runestone_rpc_client_seconds", EDGE, 'peer="cache"', 'method="runestone.cache.v1.CacheService/LookUp"'
            ),
            unit="s",
            width=QUARTER,
            runbook="cache-store-down",
        ),
        Panel(
            title="Sealed answers",
            says="Found sealed, by outcome. Anything but opened: the master key is not the one that sealed them, docs/encryption.md.",
            queries=each(rate("runestone_cache_unsealed_total", by="outcome"), "{{outcome}}"),
            unit="cps",
            width=QUARTER,
        ),
        Panel(
            title="Calls under a key",
            says="Idempotency: by what came of the claim.",
            queries=each(rate("runestone_idempotency_claims_total", by="outcome"), "{{outcome}}"),
            unit="cps",
            width=QUARTER,
        ),
        Panel(
            title="Answers under a key",
            says="Kept, and bytes of them. `evicted` is a broken promise: a repeated call is made twice. Raise `cache.state.max_bytes`.",
            queries=(
                Query(expr=total("runestone_idempotency_answers"), legend="kept"),
                Query(expr=total("runestone_idempotency_running"), legend="running"),
                Query(expr=growth("runestone_idempotency_evicted_total"), legend="evicted"),
            ),
            width=QUARTER,
        ),
        Panel(
            title="State's bytes",
            says="What the three kinds of state count for; each may have `cache.state.max_bytes`.",
            queries=(
                Query(expr=total("runestone_idempotency_bytes"), legend="answers under a key"),
                Query(expr=total("runestone_stored_stream_bytes"), legend="copies of streams"),
                Query(expr=total("runestone_room_bytes"), legend="rooms"),
            ),
            unit="bytes",
            width=QUARTER,
        ),
        Panel(
            title="Nonces, notes on responses",
            says="Nonces of signed calls that are remembered; notes on who has a stored response, by outcome.",
            queries=(
                Query(expr=total("runestone_state_nonces"), legend="nonces"),
                Query(
                    expr=rate("runestone_stored_responses_total", by="outcome"), legend="notes a second: {{outcome}}"
                ),
            ),
            width=QUARTER,
        ),
    ),
)

CACHE = Dashboard(
    name="cache",
    title="Cache",
    says="Hits, copies in edges, size, evictions, and the store behind.",
    variables=(NAMESPACE,),
    rows=(HELP, SIZE, STORE),
)
