"""For how long, for whom and how answers are kept: what one `cache` step of a pipeline is set to. Pure."""

from msgspec import Struct

from chassis.config.pipelines import CacheOptions
from chassis.config.schema import Cache
from gateway_edge.caching.controls import Controls
from gateway_edge.caching.freshness import Spans
from gateway_edge.callers.tenants import Principal

GRACE = 2.0  # seconds that provider-svc gives a whole answer to those who ask the same


class Keeping(Struct, frozen=True, kw_only=True):
    """Times in seconds. `scope` is who shares an answer, `bills` what counts as used though no provider was asked."""

    ttl: float
    spans: Spans
    negative_ttl: float
    scope: str
    is_paced: bool
    coalesces: bool
    bills: frozenset[str]

    @classmethod
    def of(cls, options: CacheOptions, cache: Cache) -> "Keeping":
        """Of a step's options, and of the configuration's `cache` where they leave something out."""
        return cls(
            ttl=options.ttl if isinstance(options.ttl, float) else cache.default_ttl,
            spans=Spans(options.stale_while_revalidate, options.stale_if_error),
            negative_ttl=options.negative_ttl,
            scope=options.scope,
            is_paced=options.replay == "paced",
            coalesces=options.coalesce,
            bills=frozenset(options.bill),
        )

    def shares(self, controls: Controls) -> bool:
        """Whether a question that is asked may share the call of another: not where an answer of `GRACE` seconds ago is too old."""
        spans = (self.ttl, controls.ttl, controls.max_age)
        return self.coalesces and all(span is None or span >= GRACE for span in spans)

    def owner_of(self, caller: Principal, namespace: str) -> tuple[str, ...]:
        """Who shares an answer."""
        owner = {"tenant": (caller.tenant,), "key": (caller.tenant, caller.key), "global": ()}[self.scope]
        return (self.scope, *owner, "", namespace)

    def tenant_of(self, caller: Principal) -> str:
        """Whose an answer is; "" for what tenants share."""
        return "" if self.scope == "global" else caller.tenant
