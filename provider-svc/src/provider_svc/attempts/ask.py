"""What a call asks, of whichever target."""

from collections.abc import Mapping

import msgspec

from provider_svc.dialects.weaving import Weaving
from provider_svc.provider import Kept, UpstreamCall
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT, Dialect


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """As `UpstreamCall`, but for what is a target's own."""

    call_id: str
    tenant: str
    stream: bool
    members: Mapping[str, msgspec.Raw]
    dialect: Dialect.ValueType = DIALECT_OPENAI_CHAT
    form: bytes = b""
    content_type: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    kept: Kept | None = None

    def of(self, model: str, *, is_strict: bool, weaving: Weaving | None = None) -> UpstreamCall:
        """The call to one target, by its own name for the model, with a meter of its own."""
        return UpstreamCall(
            call_id=self.call_id,
            model=model,
            stream=self.stream,
            members=self.members,
            dialect=self.dialect,
            form=self.form,
            content_type=self.content_type,
            headers=self.headers,
            is_strict=is_strict,
            kept=self.kept,
            weaving=weaving,
        )
