"""What models cost, as the configuration says it."""

from typing import Annotated

from msgspec import Meta, Struct

Dollars = Annotated[float, Meta(ge=0, le=1_000_000)]  # for a million tokens


class ModelPrices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the models whose names at the provider fit `model` (in which `*` stands for anything) cost, in dollars for a million tokens.
    `cached_input` are those read from the provider's prompt cache, `cache_write` those written to it; absent: as `input`. Without
    `output` only what writes no tokens (embeddings) has a cost."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    input: Dollars
    cached_input: Dollars | None = None
    cache_write: Dollars | None = None
    output: Dollars | None = None
