"""What callers answered without asking here, added up since the service's start."""

from dataclasses import dataclass

from chassis.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one caller tells at a time (`runestone.cache.v1.NoteUseRequest`)."""

    near_hits: int = 0
    coalesced: int = 0
    saved_input_tokens: int = 0
    saved_output_tokens: int = 0
    near_misses: int = 0
    saved_nano_usd: int = 0


class Uses:
    """The sum of what callers told, as numbers and as metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._near_hits = metrics.counter("cache_near_hits", "Hits that edges answered out of their own copies")
        self._near_misses = metrics.counter("cache_near_misses", "Misses that edges knew of without asking")
        self._coalesced = metrics.counter("cache_coalesced", "Answers out of a call that was running for another")
        self._tokens = metrics.counter("cache_saved_tokens", "Tokens that no provider had to bill", ("direction",))
        self._dollars = metrics.counter("cache_saved_dollars", "What no provider had to be paid")
        self.total = Use()

    def note(self, use: Use) -> None:
        """Adds what a caller told."""
        total = self.total
        self.total = Use(
            near_hits=total.near_hits + use.near_hits,
            coalesced=total.coalesced + use.coalesced,
            saved_input_tokens=total.saved_input_tokens + use.saved_input_tokens,
            saved_output_tokens=total.saved_output_tokens + use.saved_output_tokens,
            near_misses=total.near_misses + use.near_misses,
            saved_nano_usd=total.saved_nano_usd + use.saved_nano_usd,
        )
        self._near_hits.inc(use.near_hits)
        self._near_misses.inc(use.near_misses)
        self._coalesced.inc(use.coalesced)
        self._tokens.labels("input").inc(use.saved_input_tokens)
        self._tokens.labels("output").inc(use.saved_output_tokens)
        self._dollars.inc(use.saved_nano_usd / 1e9)

    def __repr__(self) -> str:
        return f"Uses({self.total})"
