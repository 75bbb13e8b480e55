"""What several upstream calls used together. Pure."""

from typing import Literal, get_args

from runestone.common.v1.usage_pb2 import Usage

Count = Literal[
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
    "reasoning_output_tokens",
]
COUNTS: tuple[Count, ...] = get_args(Count)


def add_up(first: Usage, *others: Usage | None) -> Usage:
    """Their sum, in a message of its own. A count that none of them reported is not reported; it is estimated where any of them is."""
    known = [first, *(usage for usage in others if usage is not None)]
    total = Usage()
    for name in COUNTS:
        reported = [getattr(usage, name) for usage in known if usage.HasField(name)]
        if reported:
            setattr(total, name, sum(reported))
    if any(usage.is_estimated for usage in known):
        total.is_estimated = True
    return total
