"""What the tests of this dialect share: reading streams and writing them, as a call does."""

import json
from collections.abc import Iterable
from pathlib import Path

import msgspec
from google.protobuf.json_format import MessageToDict
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from chassis.sse import find_ends, read_event
from provider_svc.dialects.dialect import Asked
from provider_svc.dialects.losses import Losses
from provider_svc.dialects.openai_responses import DIALECT
from provider_svc.dialects.prompt import Prompt
from provider_svc.dialects.said import Said
from provider_svc.dialects.steps import Count, Step

GOLDEN = Path(__file__).parent / "golden"
CREATED = 1_800_000_000

EVENT = TypeAdapter(ResponseStreamEvent)


def members_of(body: dict) -> dict[str, msgspec.Raw]:
    """A body as the edge hands it on."""
    return msgspec.json.decode(json.dumps(body), type=dict[str, msgspec.Raw])


def asked(**body: object) -> Asked:
    return Asked(members_of(body), CREATED)


def read(body: dict, *, is_strict: bool = True) -> tuple[Prompt, tuple[str, ...]]:
    """The prompt of a body, and what was lost."""
    losses = Losses(is_strict=is_strict)
    return DIALECT.read_prompt(members_of(body), losses), losses.paths


def write(prompt: Prompt, *, is_strict: bool = True) -> tuple[dict, tuple[str, ...]]:
    """The body of a prompt, as JSON makes it, and what was lost."""
    losses = Losses(is_strict=is_strict)
    return json.loads(msgspec.json.encode(DIALECT.write_prompt(prompt, losses))), losses.paths


def frames(stream: bytes) -> list[bytes]:
    ends = find_ends(stream)
    assert ends[-1] == len(stream)
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def steps_of(stream: bytes) -> list[Step]:
    reader = DIALECT.open_reader()
    return [step for frame in frames(stream) for step in reader.read(read_event(frame).data)]


def stream_of(steps: Iterable[Step], question: Asked) -> bytes:
    writer = DIALECT.open_writer(question)
    return b"".join(event for step in steps for event in writer.write(step))


def fold(steps: Iterable[Step]) -> Said:
    said = Said()
    for step in steps:
        said.add(step)
    return said


def document_of(steps: Iterable[Step], question: Asked) -> dict:
    """The document, in the SDK's own shape."""
    document = DIALECT.write_document(fold(steps), question)
    Response.model_validate_json(document, strict=True)
    return json.loads(document)


def shown(step: Step) -> str:
    """A step as one line of a golden file."""
    if isinstance(step, Count):
        return f"Count({json.dumps(MessageToDict(step.usage))})"
    return repr(step)


def events_of(stream: bytes) -> list[dict]:
    """A stream's data, each event in the SDK's own shape, numbered without a gap and named as it is."""
    events = []
    for number, frame in enumerate(frames(stream)):
        name, data = read_event(frame)
        event = json.loads(data)
        assert (name.decode(), number) == (event["type"], event["sequence_number"])
        EVENT.validate_json(data, strict=True)
        events.append(event)
    return events
