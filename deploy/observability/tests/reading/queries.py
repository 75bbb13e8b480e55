"""What a PromQL expression asks for: its selectors, with their metrics and matchers, and the labels that it groups by."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser

# What Grafana puts in before Prometheus sees it.
INTERVALS = {"$__rate_interval": "5m", "$__range": "1h"}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A metric, and the labels that must be among its own for the expression to find or keep anything."""

    metric: str
    labels: frozenset[str]


def parse(expr: str) -> Any:
    """The expression. Raises ValueError where it is none."""
    for name, window in INTERVALS.items():
        expr = expr.replace(name, window)
    return promql_parser.parse(expr)


def asked_by(expr: str) -> Iterator[Asked]:
    """Every selector of the expression, each with what it is matched and grouped by."""
    yield from _walk(parse(expr), frozenset())


def _walk(node: Any, grouped: frozenset[str]) -> Iterator[Asked]:
    match type(node).__name__:
        case "VectorSelector":
            yield _read(node, grouped)
        case "MatrixSelector":
            yield _read(node.vector_selector, grouped)
        case "AggregateExpr":
            yield from _walk(node.expr, _labels(node.modifier))
        case "BinaryExpr":
            yield from _walk(node.lhs, grouped)
            yield from _walk(node.rhs, grouped)
        case "Call":
            for argument in node.args:
                yield from _walk(argument, grouped)
        case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
            yield from _walk(node.expr, grouped)
        case "NumberLiteral" | "StringLiteral":
            return
        case other:
            raise AssertionError(f"a kind of expression that this cannot read: {other}")


def _labels(modifier: Any) -> frozenset[str]:
    return frozenset() if modifier is None else frozenset(modifier.labels)


def _read(selector: Any, grouped: frozenset[str]) -> Asked:
    matched = {matcher.name for matcher in selector.matchers.matchers}
    return Asked(metric=selector.name, labels=frozenset(matched) | grouped)


def named_in(text: str) -> set[str]:
    """The labels that a legend or an annotation names."""
    return set(re.findall(r"{{\s*(?:\$labels\.)?(\w+)\s*}}", text)) | set(re.findall(r"\$labels\.(\w+)", text))
