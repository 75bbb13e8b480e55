"""A whole answer as one `response` object."""

import msgspec

from provider_svc.dialects.dialect import Asked
from provider_svc.dialects.openai_responses.envelope import INCOMPLETE, Envelope
from provider_svc.dialects.openai_responses.output import NOTHING, Status, group, item_id, write_item
from provider_svc.dialects.prompt import Json
from provider_svc.dialects.said import Said, SaidPart
from provider_svc.dialects.steps import Reason


def write_document(said: Said, asked: Asked) -> bytes:
    """See `WriteDocument`."""
    envelope = Envelope(asked, id=said.id, model=said.model, created=said.created)
    parts = said.parts if not said.words else [*said.parts, SaidPart(kind="refusal", pieces=[said.words])]
    return msgspec.json.encode(envelope.ended(_write_output(envelope.id, parts, said.reason), said.reason, said.usage))


def _write_output(answer: str, parts: list[SaidPart], reason: Reason | None) -> list[Json]:
    items = group(_complete(part) for part in parts)
    statuses: list[Status] = ["completed"] * len(items)
    if items and reason in INCOMPLETE:
        statuses[-1] = "incomplete"
    return [
        write_item(item_id(answer, index, item[0]), item, status)
        for index, (item, status) in enumerate(zip(items, statuses, strict=True))
    ]


def _complete(part: SaidPart) -> SaidPart:
    if part.kind == "call" and not part.pieces:
        return msgspec.structs.replace(part, pieces=[NOTHING])
    return part
