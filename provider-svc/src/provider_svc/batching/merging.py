"""Several calls as one. Pure."""

from collections.abc import Sequence

import msgspec

from provider_svc.batching.item import INPUT, Item
from provider_svc.provider import Meter, UpstreamCall


def merge(call: UpstreamCall, items: Sequence[Item]) -> UpstreamCall:
    """The call for all of `items`, in their order; in everything else it is `call`, one of theirs. It has a meter of its own."""
    inputs = msgspec.Raw(b"[%b]" % b",".join(item.input for item in items))
    return msgspec.structs.replace(call, members={**call.members, INPUT: inputs}, meter=Meter())
