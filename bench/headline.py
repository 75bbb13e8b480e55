"""The one sentence for the front page, computed from the table's own figures. Pure."""

from collections.abc import Iterator, Sequence

from bench.figures import Row

OURS = "runestone"
CASES = {"unary µs": "uncached calls", "cached µs": "cached calls", "burst µs": "streamed events"}
LEAST = 1.05  # a smaller difference is none


def write_headline(rows: Sequence[Row], rivals: Sequence[str]) -> str | None:
    """How much a core does with ours, beside each rival of the same run; None when none was measured.

    CPU for each thing served, turned round, is throughput per core.
    """
    by_name = {row.name: row for row in rows}
    ours = by_name.get(OURS)
    if ours is None:
        return None
    said = [part for name in rivals if name in by_name and (part := _compare(ours, by_name[name]))]
    return f"A core serves, in the same run, {'; '.join(said)}. {_describe(ours)}" if said else None


def _compare(ours: Row, rival: Row) -> str:
    ratios = ", ".join(_ratios(ours, rival))
    return f"{ratios} as with {rival.name} {rival.version}" if ratios else ""


def _ratios(ours: Row, rival: Row) -> Iterator[str]:
    for column, things in CASES.items():
        mine, theirs = ours.middle(column), rival.middle(column)
        if mine and theirs:
            yield f"{describe_ratio(theirs / mine)} {things}"


def describe_ratio(ratio: float) -> str:
    """`17 times as many`, `2.1 times as many`, `0.30 times as many`, or `as many`."""
    if 1 / LEAST < ratio < LEAST:
        return "as many"
    digits = 0 if ratio >= 10 else 1 if ratio >= 1 else 2
    return f"{ratio:.{digits}f} times as many"


def _describe(ours: Row) -> str:
    figures = [
        f"{value:,.0f} CPU-µs {what}"
        for column, what in (("unary µs", "for an uncached call"), ("cached µs", "for a cached one"))
        if (value := ours.middle(column))
    ]
    return f"The whole mesh, everything on, takes {' and '.join(figures)}."
