"""Extensions of Envoy's by their type. Pure."""

from launcher.envoy.site import Document


def typed(name: str, **fields: object) -> Document:
    """An `Any` of the type `name`, without the package prefix that all share."""
    return {"@type": f"type.googleapis.com/envoy.{name}", **fields}


def extension(name: str, kind: str, **fields: object) -> Document:
    """A named extension with its configuration."""
    return {"name": f"envoy.{name}", "typed_config": typed(kind, **fields)}
