"""Arguments for a function call: the simplest value that a simple JSON Schema accepts."""

from provider_svc.simulated.request import Schema

DEEPEST = 16
EXAMPLES: dict[str, object] = {"string": "text", "boolean": True, "null": None}


def example(schema: Schema, depth: int = 0) -> object:
    """A value for `schema`: what it prescribes (const, enum, default), else the least that its type allows; of an object's
    properties the required ones. References and combinations of schemas are not followed: null stands for them."""
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema or not depth else "null")
    if isinstance(kind, list):
        kind = kind[0] if kind else "null"
    if kind == "object":
        return _example_object(schema, depth)
    if kind == "array":
        return [example(schema.get("items") or {}, depth + 1)] * min(schema.get("minItems", 0), DEEPEST)
    if kind in {"integer", "number"}:
        return schema.get("minimum", 1)
    return EXAMPLES.get(kind)


def _example_object(schema: Schema, depth: int) -> dict[str, object]:
    properties = schema.get("properties") or {}
    if depth >= DEEPEST:
        return {}
    return {name: example(properties.get(name) or {}, depth + 1) for name in schema.get("required") or ()}
