"""The schema of a request body, taken out of the document."""

from typing import Any

import jsonschema_rs

Schema = dict[str, Any]


def resolve(document: Schema) -> Schema:
    """`document` with every reference resolved."""
    resolved: Schema = jsonschema_rs.dereference(document, offline=True)
    return resolved


def find_request_schema(resolved: Schema, path: str, method: str = "post") -> Schema:
    """The JSON Schema of the bodies that `method` takes at `path`: of the one media type that they have."""
    (content,) = resolved["paths"][path][method]["requestBody"]["content"].values()
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
