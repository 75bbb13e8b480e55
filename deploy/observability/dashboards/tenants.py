"""Who asks for how much, what it costs, and what is refused. The first tenants that call have names (`telemetry.tenant_labels`)."""

from dashboards.model import HALF, WHOLE, Dashboard, Panel, Query, Row
from dashboards.promql import each, growth, quantile, rate, share
from dashboards.variables import NAMESPACE, TENANT

CHOSEN = 'tenant=~"$tenant"'
REFUSED, ANSWERED, FAILED = 'status="429"', 'status="200"', 'status=~"5.."'
CALLS = "runestone_tenant_calls_total"
TOKENS = "runestone_tenant_tokens_total"
COST = "runestone_tenant_cost_dollars_total"


def _over_range(metric: str, *matchers: str) -> str:
    return growth(metric, CHOSEN, *matchers, by="tenant", window="$__range")


LEAGUE = Row(
    title="In the chosen time",
    panels=(
        Panel(
            title="Dearest tenants",
            says="Dollars in the chosen time, the twenty dearest. Budgets and prices: docs/costs.md.",
            queries=each(f"topk(20, {_over_range(COST)})"),
            unit="currencyUSD",
            kind="table",
        ),
        Panel(
            title="Most tokens",
            says="Tokens that tenants are billed for in the chosen time.",
            queries=each(f"topk(20, {_over_range(TOKENS)})"),
            kind="table",
        ),
        Panel(
            title="Most refusals",
            says="Calls that ended with 429 in the chosen time: a limit, a budget, or too many at once. `runestone audit search --tenant ... --status 429`.",
            queries=each(f"topk(20, {_over_range(CALLS, REFUSED)})"),
            kind="table",
            runbook="connections-refused",
        ),
    ),
)

TRAFFIC = Row(
    title="Calls",
    panels=(
        Panel(
            title="Calls a second",
            says="`_other` are all tenants behind the first `telemetry.tenant_labels`.",
            queries=each(rate(CALLS, CHOSEN, by="tenant"), "{{tenant}}"),
            unit="reqps",
        ),
        Panel(
            title="Failed calls",
            says="The share that ended with a 5xx. One tenant only: its models, or what it sends; all: the overview.",
            queries=each(
                share(rate(CALLS, CHOSEN, FAILED, by="tenant"), rate(CALLS, CHOSEN, by="tenant")), "{{tenant}}"
            ),
            unit="percentunit",
            steps=((0.001, "orange"), (0.0144, "red")),
            runbook="error-budget",
        ),
        Panel(
            title="Refused with 429",
            says="The share of a tenant's calls above its limits. Lasting: raise the limit, or tell the tenant to heed `retry-after`.",
            queries=each(
                share(rate(CALLS, CHOSEN, REFUSED, by="tenant"), rate(CALLS, CHOSEN, by="tenant")), "{{tenant}}"
            ),
            unit="percentunit",
            runbook="limits-not-enforced",
        ),
        Panel(
            title="Time to the last byte, p95",
            says="Differs between tenants by what they ask for; dots lead to traces.",
            queries=each(
                quantile(0.95, "runestone_tenant_call_seconds", CHOSEN, by="tenant"), "{{tenant}}", exemplar=True
            ),
            unit="s",
            width=HALF,
        ),
        Panel(
            title="Out of the cache",
            says="The share of a tenant's calls that the cache answered.",
            queries=each(
                share(rate(CALLS, CHOSEN, 'cache=~"HIT|COALESCED"', by="tenant"), rate(CALLS, CHOSEN, by="tenant")),
                "{{tenant}}",
            ),
            unit="percentunit",
            width=HALF,
        ),
    ),
)

MONEY = Row(
    title="Tokens and money",
    panels=(
        Panel(
            title="Tokens a second",
            says="What tenants are billed for, by direction.",
            queries=each(rate(TOKENS, CHOSEN, by="tenant, direction"), "{{tenant}} {{direction}}"),
            unit="short",
        ),
        Panel(
            title="Cost an hour",
            says="At the pace of the moment. A jump without more calls: a dearer model, or longer prompts.",
            queries=each(f"3600 * {rate(COST, CHOSEN, by='tenant')}", "{{tenant}}"),
            unit="currencyUSD",
        ),
        Panel(
            title="Cost of a call",
            says="Dollars by calls that went well.",
            queries=each(
                f"{rate(COST, CHOSEN, by='tenant')} / {rate(CALLS, CHOSEN, ANSWERED, by='tenant')}", "{{tenant}}"
            ),
            unit="currencyUSD",
        ),
    ),
)

BY_STATUS = Row(
    title="By status",
    panels=(
        Panel(
            title="Calls by status of the chosen tenants",
            says="400 and 404: what the client sends. 401 is no tenant's. 403: the key may not. 429: limits. 5xx: the overview.",
            queries=(Query(expr=rate(CALLS, CHOSEN, by="status"), legend="{{status}}"),),
            unit="reqps",
            width=WHOLE,
            is_stacked=True,
        ),
    ),
)

TENANTS = Dashboard(
    name="tenants",
    title="Tenants",
    says="Each tenant's calls, tokens, cost, limits and errors.",
    variables=(NAMESPACE, TENANT),
    rows=(LEAGUE, TRAFFIC, MONEY, BY_STATUS),
)
