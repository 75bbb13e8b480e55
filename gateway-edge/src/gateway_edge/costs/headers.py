"""What a client is told of its call's cost: in dollars, ours and LiteLLM's name for it."""

from chassis.billing.price import spell_dollars
from runestone.common.v1.cost_pb2 import Cost

NAMES = ("x-runestone-cost", "x-litellm-response-cost")
NOTHING = dict.fromkeys(NAMES, "0")  # of an answer for which no provider was asked


def write_cost(cost: Cost | None) -> dict[str, str]:
    """The headers; none where the cost is not known."""
    return {} if cost is None else dict.fromkeys(NAMES, spell_dollars(cost.nano_usd))
