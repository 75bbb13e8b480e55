"""What Chat Completions and Responses have in common about tools and structured output."""

from typing import Any

from fake_provider.refusal import FUNCTION_NAME, demand

MODES = ("auto", "none", "required")


def check_function(function: dict[str, Any], param: str) -> None:
    """Refuses a function that OpenAI would not take."""
    name = function.get("name")
    demand(
        name, f"Missing required parameter: '{param}.name'.", param=f"{param}.name", code="missing_required_parameter"
    )
    demand(
        FUNCTION_NAME.fullmatch(str(name)),
        f"Invalid '{param}.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        param=f"{param}.name",
        code="invalid_value",
    )
    if function.get("strict"):
        check_strict(function.get("parameters"), f"function '{name}'", f"{param}.parameters")
    elif function.get("parameters") is not None:
        kind = function["parameters"].get("type")
        message = f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
        demand(kind == "object", message, param=f"{param}.parameters", code="invalid_function_parameters")


def check_strict(schema: Any, what: str, param: str) -> None:
    """Refuses what strict structured output does not take: every object is closed, and requires all that it has."""
    if isinstance(schema, list):
        for one in schema:
            check_strict(one, what, param)
    if not isinstance(schema, dict):
        return
    if "properties" in schema or schema.get("type") == "object":
        demand(
            schema.get("additionalProperties") is False,
            f"Invalid schema for {what}: In context=(), 'additionalProperties' is required to be supplied and to be false.",
            param=param,
            code="invalid_function_parameters",
        )
        missing = [name for name in schema.get("properties") or {} if name not in schema.get("required", ())]
        message = f"Invalid schema for {what}: In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing '{missing[:1]}'."
        demand(not missing, message, param=param, code="invalid_function_parameters")
    for value in schema.values():
        if isinstance(value, dict | list):
            check_strict(value, what, param)


def check_range(document: dict[str, Any], name: str, least: float, most: float) -> None:
    """Refuses a number outside its bounds."""
    value = document.get(name)
    if value is None:
        return
    kind = "integer" if isinstance(most, int) and isinstance(least, int) else "decimal"
    demand(
        value <= most,
        f"Invalid '{name}': {kind} above maximum value. Expected a value <= {most}, but got {value} instead.",
        param=name,
        code=f"{kind}_above_max_value",
    )
    demand(
        value >= least,
        f"Invalid '{name}': {kind} below minimum value. Expected a value >= {least}, but got {value} instead.",
        param=name,
        code=f"{kind}_below_min_value",
    )
