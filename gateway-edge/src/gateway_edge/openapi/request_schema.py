"""The schema of a request body, taken out of the document."""

from typing import Any

import jsonschema_rs

Schema = dict[str, Any]


def resolve_requests(document: Schema) -> dict[str, Schema]:
    """By path: the JSON Schema of the bodies that are posted there, with every reference resolved. What answers may hold is most of a
    document, and is not looked at."""
    bodies = {
        path: find_body(operations["post"]) for path, operations in document["paths"].items() if has_body(operations)
    }
    whole = {"bodies": bodies, "components": {"schemas": document["components"]["schemas"]}}
    resolved: dict[str, Schema] = jsonschema_rs.dereference(whole, offline=True)["bodies"]
    return resolved


def has_body(operations: Schema) -> bool:
    """Whether a path takes bodies."""
    return "requestBody" in operations.get("post", ())


def find_body(operation: Schema) -> Schema:
    """The schema of the one media type that an operation's body has."""
    (content,) = operation["requestBody"]["content"].values()
    schema: Schema = content["schema"]
    return schema


def close_objects(schema: Any) -> Any:
    """`schema` with unknown members refused wherever an object names its members and does not say itself whether more may
    come (`additionalProperties`)."""
    if isinstance(schema, list):
        return [close_objects(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: close_objects(value) for name, value in schema.items()}
    return {"additionalProperties": False, **closed} if isinstance(schema.get("properties"), dict) else closed
