"""The names of OpenTelemetry's semantic conventions, as they are and as they were. Pure.

Spans are written with today's names; where somebody reads them by the names of before, they are given those too, or instead.
https://opentelemetry.io/docs/specs/semconv/gen-ai/ and https://opentelemetry.io/docs/specs/semconv/rpc/
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

Naming = Literal["current", "legacy", "both"]
Value = str | int | float | bool | Sequence[str]
Attributes = Mapping[str, Value]

OPT_IN = "gen_ai_latest_experimental"  # in OTEL_SEMCONV_STABILITY_OPT_IN: today's names, and no others

# What replaced them stands in front. Tokens had their names of today in versions 1.27 to 1.36 already, which `legacy` has as well.
_STATUS_NUMBERS = {
    name: number
    for number, name in enumerate(
        (
            "OK",
            "CANCELLED",
            "UNKNOWN",
            "INVALID_ARGUMENT",
            "DEADLINE_EXCEEDED",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "ABORTED",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        )
    )
}

_BEFORE: dict[str, Callable[[Value], Attributes]] = {
    "gen_ai.provider.name": lambda value: {"gen_ai.system": value},
    "gen_ai.usage.input_tokens": lambda value: {
        "gen_ai.usage.input_tokens": value,
        "gen_ai.usage.prompt_tokens": value,
    },
    "gen_ai.usage.output_tokens": lambda value: {
        "gen_ai.usage.output_tokens": value,
        "gen_ai.usage.completion_tokens": value,
    },
    "gen_ai.request.seed": lambda value: {"gen_ai.openai.request.seed": value},
    "rpc.system.name": lambda value: {"rpc.system": value},
    "rpc.method": lambda value: dict(zip(("rpc.service", "rpc.method"), str(value).rsplit("/", 1), strict=False)),
    "rpc.response.status_code": lambda value: {"rpc.grpc.status_code": _STATUS_NUMBERS[str(value)]},
}


def choose_naming(configured: Naming, opted_in: str) -> Naming:
    """The naming to use: `configured`, unless today's is asked for in `opted_in`, a list with commas between."""
    return "current" if OPT_IN in {one.strip() for one in opted_in.split(",")} else configured


def name_attributes(attributes: Attributes, naming: Naming) -> Attributes:
    """`attributes`, which have today's names, as `naming` has them. Where a name means something else today, `both` keeps to today."""
    if naming == "current":
        return attributes
    named: dict[str, Value] = {}
    for name, value in attributes.items():
        before = _BEFORE.get(name)
        named.update(before(value) if before is not None else {name: value})
    return {**named, **attributes} if naming == "both" else named


def describe_rpc(method: str) -> Attributes:
    """What a span says of the rpc `package.Service/Method`."""
    return {"rpc.system.name": "grpc", "rpc.method": method}
