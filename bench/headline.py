"""The one sentence for the front page, computed from the table's own figures. Pure."""

from collections.abc import Iterator, Sequence

from bench.figures import Row

OURS = "runestone"
CASES = {"unary µs": "{ratio} uncached", "cached µs": "{ratio} cached", "burst µs": "{ratio} streamed events"}
LEAST = 1.05  # a smaller difference is none


def write_headline(rows: Sequence[Row], peers: Sequence[str]) -> str | None:
    """How much a core does with ours, beside each peer of the same run; None when none was measured.

    CPU for each thing served, turned round, is throughput per core.
    """
    by_name = {row.name: row for row in rows}
    ours = by_name.get(OURS)
    parts = [_compare(ours, by_name[name]) for name in peers if ours and name in by_name]
    said = [part for part in parts if part]
    if not said or ours is None:
        return None
    return f"Throughput per core, same run, same load: {'; '.join(said)}. {_describe(ours)}"


def _compare(ours: Row, peer: Row) -> str:
    ratios = ", ".join(_ratios(ours, peer))
    return f"beside {peer.name} {peer.version} {ratios}" if ratios else ""


def _ratios(ours: Row, peer: Row) -> Iterator[str]:
    for column, phrase in CASES.items():
        mine, theirs = ours.middle(column), peer.middle(column)
        if mine and theirs:
            yield phrase.format(ratio=describe_ratio(theirs / mine))


def describe_ratio(ratio: float) -> str:
    """`17 times`, `2.1 times`, `0.3 times`, or `as much`."""
    if 1 / LEAST < ratio < LEAST:
        return "as much"
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.1f} times" if ratio >= 0.95 else f"{ratio:.2f} times"


def _describe(ours: Row) -> str:
    figures = [
        f"{value:,.0f} CPU-µs {what}"
        for column, what in (("unary µs", "an uncached call"), ("cached µs", "a cached one"))
        if (value := ours.middle(column))
    ]
    return f"The whole mesh, everything on, takes {' and '.join(figures)}."
