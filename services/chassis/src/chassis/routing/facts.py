"""What is known of a call where it is routed, and what of that rules may name. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from chassis.billing.estimate import count_read
from chassis.features import list_features

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One call: the public model that it asks, whose it is, its tags, path, id and `body`. `is_form` where that is no JSON: of such a
    body only its size is known. `read_document` gives the decoded object; it is called when somebody wants to look into it."""

    model: str
    tenant: str
    key: str
    call_id: str
    endpoint: str
    body: bytes
    read_document: Callable[[], Mapping[str, Any]]
    tags: tuple[str, ...] = ()
    is_stream: bool = False
    is_form: bool = False

    @property
    def tokens(self) -> int:
        """How many the model has to read, about."""
        return 0 if self.is_form else count_read(self.body)

    @property
    def features(self) -> list[str]:
        """What the request needs of a model, in the words of a target's `lacks`."""
        return [] if self.is_form else sorted(list_features(_members.decode(self.body)))

    @property
    def user(self) -> str:
        """Whom the client calls for, as its request says; empty where it does not."""
        document = self.read_document()
        metadata = document.get("metadata")
        named = (
            document.get("safety_identifier"),
            document.get("user"),
            metadata.get("user_id") if isinstance(metadata, Mapping) else None,
        )
        return next((name for name in named if isinstance(name, str) and name), "")


# What a rule may name, and where it comes from.
VARIABLES: Mapping[str, Callable[[Facts], object]] = {
    "model": lambda facts: facts.model,
    "tenant": lambda facts: facts.tenant,
    "key": lambda facts: facts.key,
    "tags": lambda facts: list(facts.tags),
    "endpoint": lambda facts: facts.endpoint,
    "stream": lambda facts: facts.is_stream,
    "size": lambda facts: len(facts.body),
    "tokens": lambda facts: facts.tokens,
    "features": lambda facts: facts.features,
    "user": lambda facts: facts.user,
    "request": lambda facts: dict(facts.read_document()),
}

# A call of each variable's kind, to try an expression with.
SAMPLE: Mapping[str, object] = {
    name: find(Facts(model="", tenant="", key="", call_id="", endpoint="", body=b"{}", read_document=dict))
    for name, find in VARIABLES.items()
}
