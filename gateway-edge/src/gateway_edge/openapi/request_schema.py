"""The schema of a request body, taken out of the document."""

from typing import Any

import jsonschema_rs

Schema = dict[str, Any]


def find_request_schema(document: Schema, path: str, method: str = "post") -> Schema:
    """The JSON Schema of the bodies that `method` takes at `path`, with every reference resolved."""
    resolved = jsonschema_rs.dereference(document, offline=True)
    schema: Schema = resolved["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
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
