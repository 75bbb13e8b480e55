"""What templates may know of a call: who asks, under which name, and what the operator wrote of them. Nothing secret."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from chassis.config.transform.templates import Placeholder, Template


class Facts(Struct, kw_only=True):
    """Of one call. `headers` are the request's, with lower-case names; which of them are read was checked with the template.
    `document` is the request, whose `model` may still change."""

    tenant: str
    key: str
    request_id: str
    metadata: Mapping[str, str]
    headers: Mapping[str, str]
    document: Mapping[str, Any]

    def fill(self, template: Template) -> str:
        """The template's text; what is not known is left out."""
        return "".join([part if isinstance(part, str) else self._read(part) for part in template])

    def _read(self, place: Placeholder) -> str:
        match place.source:
            case "metadata":
                return self.metadata.get(place.name, "")
            case "header":
                return _printable(self.headers.get(place.name, ""))
            case "model":
                model = self.document.get("model")
                return model if isinstance(model, str) else ""
            case source:
                known: str = getattr(self, source)
                return known


def _printable(text: str) -> str:
    """What a client sent: bytes that are no UTF-8 become question marks."""
    return text.encode("utf-8", "replace").decode()
