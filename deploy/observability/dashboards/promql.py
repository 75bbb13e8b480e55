"""The few forms that nearly all queries have. Each is bound to the namespaces that were chosen at the top."""

from dashboards.model import Query

WINDOW = "$__rate_interval"
NAMESPACE = 'namespace=~"$namespace"'
QUANTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))


def select(metric: str, *matchers: str) -> str:
    """The series of a metric, of the chosen namespaces."""
    return f"{metric}{{{', '.join((NAMESPACE, *matchers))}}}"


def total(metric: str, *matchers: str, by: str = "") -> str:
    """A gauge, added up."""
    return f"{_sum(by)}({select(metric, *matchers)})"


def rate(metric: str, *matchers: str, by: str = "", window: str = WINDOW) -> str:
    """A counter's growth a second, added up."""
    return f"{_sum(by)}(rate({select(metric, *matchers)}[{window}]))"


def growth(metric: str, *matchers: str, by: str = "", window: str = WINDOW) -> str:
    """A counter's growth within the window, added up."""
    return f"{_sum(by)}(increase({select(metric, *matchers)}[{window}]))"


def share(part: str, of: str) -> str:
    """A part of a whole, from 0 to 1; nothing where there is no whole. Both are grouped alike."""
    return f"({part} or 0 * {of}) / ({of} > 0)"


def quantile(q: float, metric: str, *matchers: str, by: str = "") -> str:
    """The time within which that part of the calls ended."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q:g}, {rate(f'{metric}_bucket', *matchers, by=labels)})"


def mean(metric: str, *matchers: str, by: str = "") -> str:
    """The mean of what a histogram has seen."""
    return f"{rate(f'{metric}_sum', *matchers, by=by)} / {rate(f'{metric}_count', *matchers, by=by)}"


def quantiles(metric: str, *matchers: str) -> tuple[Query, ...]:
    """Half, nearly all, and all but one in a hundred; a dot on the chart leads to a trace."""
    return tuple(Query(expr=quantile(q, metric, *matchers), legend=name, exemplar=True) for q, name in QUANTILES)


def each(expr: str, legend: str = "", *, exemplar: bool = False) -> tuple[Query, ...]:
    """A panel's only query."""
    return (Query(expr=expr, legend=legend, exemplar=exemplar),)


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"
