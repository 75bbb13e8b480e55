"""What each of several calls used of what all of them together did. Pure, and in integers: the shares add up to the whole, to the last one."""

from collections.abc import Mapping, Sequence

from runestone.common.v1.usage_pb2 import Usage

Weights = Sequence[int]  # of each call, in tokens; at least one is not 0


def divide(whole: int, weights: Weights) -> list[int]:
    """`whole` in proportion to `weights`, by largest remainder; of equal remainders the earlier goes first."""
    sum_of_all = sum(weights)
    shares = [whole * weight // sum_of_all for weight in weights]
    places = sorted(range(len(weights)), key=lambda place: -(whole * weights[place] % sum_of_all))
    for place in places[: whole - sum(shares)]:
        shares[place] += 1
    return shares


def share_usage(usage: Usage, weights: Weights) -> list[Usage]:
    """Each call's part of what the provider counted. As nobody counted the parts, they are estimated."""
    shares = [Usage(is_estimated=True) for _ in weights]
    for field, value in usage.ListFields():
        if field.name != "is_estimated":
            for share, part in zip(shares, divide(value, weights), strict=True):
                setattr(share, field.name, part)
    return shares


def share_counts(counts: Mapping[str, object], weights: Weights) -> list[dict[str, object]]:
    """The same for a usage object as a provider wrote it: counts are divided, those in objects within it too. Words stay as they are;
    what is neither (a price, say) cannot be divided exactly and is left out."""
    shares: list[dict[str, object]] = [{} for _ in weights]
    for name, value in counts.items():
        for share, part in zip(shares, _share(value, weights), strict=False):
            share[name] = part
    return shares


def _share(value: object, weights: Weights) -> Sequence[object]:
    """Empty where the value has no shares."""
    if value is None or isinstance(value, str | bool):
        return [value] * len(weights)
    if isinstance(value, int):
        return divide(value, weights)
    return share_counts(value, weights) if isinstance(value, dict) else ()
