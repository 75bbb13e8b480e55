"""What the span of one upstream call says, by OpenTelemetry's GenAI conventions; what they lack is `runestone.*`. Pure.

Content is in none of it: neither what is asked nor what is answered, nor where a model shall stop.
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from chassis.config.presets import ADDRESSES, PRESETS
from chassis.config.providers import Provider
from chassis.conventions import Attributes, Value
from chassis.operations import name_operation
from chassis.sse import read_event
from provider_svc.attempts.attempt import Attempt
from provider_svc.provider import Chunk, Meter

# Presets by the names that the conventions have for whom they reach.
WELL_KNOWN = {"gemini": "gcp.gemini", "mistral": "mistral_ai", "xai": "x_ai"}

# Members of a question by what they are called on a span, each with what it may be.
ASKED: dict[str, tuple[str, type]] = {
    "temperature": ("gen_ai.request.temperature", float),
    "top_p": ("gen_ai.request.top_p", float),
    "top_k": ("gen_ai.request.top_k", int),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", float),
    "presence_penalty": ("gen_ai.request.presence_penalty", float),
    "max_tokens": ("gen_ai.request.max_tokens", int),
    "max_completion_tokens": ("gen_ai.request.max_tokens", int),
    "max_output_tokens": ("gen_ai.request.max_tokens", int),
    "seed": ("gen_ai.request.seed", int),
    "n": ("gen_ai.request.choice.count", int),
    "conversation": ("gen_ai.conversation.id", str),
}

USAGE = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_input_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_output_tokens": "gen_ai.usage.reasoning.output_tokens",
    "is_estimated": "runestone.usage.is_estimated",
}

LONGEST_NAME = 256  # characters of what a provider calls an answer or a model
PORTS = {"http": 80, "https": 443}


class Named(msgspec.Struct):
    """What an answer says of itself: a document, or the first event of a stream, which may hold it in a member."""

    id: str = ""
    model: str = ""
    message: "Named | None" = None
    response: "Named | None" = None


_decode_named = msgspec.json.Decoder(Named).decode


def name_provider(configured: Provider) -> str:
    """`gen_ai.provider.name`: whose API it is, where that is known."""
    if configured.kind != "openai_compatible":
        return configured.kind
    return WELL_KNOWN.get(configured.preset, configured.preset) or configured.kind


def find_server(configured: Provider) -> Attributes:
    """Where a provider is; nothing of one that is reached without an address."""
    preset = PRESETS.get(configured.preset)
    known = preset.base_url if preset is not None else ADDRESSES.get(configured.kind, "")
    try:
        url = urlsplit(configured.base_url or known)
        port = url.port or PORTS.get(url.scheme)
    except ValueError:
        return {}
    return {"server.address": url.hostname, "server.port": port} if url.hostname and port else {}


def describe_attempt(attempt: Attempt) -> Attributes:
    """What is known before the provider is asked."""
    call, configured = attempt.call, attempt.stop.seat.configured
    return {
        "gen_ai.operation.name": name_operation(call.dialect),
        "gen_ai.provider.name": name_provider(configured),
        "gen_ai.request.model": call.model,
        "gen_ai.request.stream": call.stream,
        **find_server(configured),
        **_read_members(call.members),
        "runestone.provider": attempt.provider,
        "runestone.route": attempt.route,
        "runestone.attempt": attempt.number,
        "runestone.why": attempt.why,
    }


def describe_answer(attempt: Attempt) -> Attributes:
    """What is known at the end."""
    said: dict[str, Value] = dict(_describe_meter(attempt.call.meter))
    if attempt.begun is not None:
        said["http.response.status_code"] = attempt.begun.upstream_status
        if attempt.begun.upstream_request_id:
            said["runestone.upstream.request_id"] = attempt.begun.upstream_request_id[:LONGEST_NAME]
    if attempt.call.stream and attempt.first_chunk:
        said["gen_ai.response.time_to_first_chunk"] = attempt.first_chunk
    if attempt.head is not None:
        said.update(_describe_head(attempt.head))
    return said


def _read_members(members: Mapping[str, msgspec.Raw]) -> Attributes:
    """Members that are what they should be; of others a provider says what is wrong."""
    found: dict[str, Value] = {}
    for member, (name, kind) in ASKED.items():
        if (raw := members.get(member)) is None:
            continue
        try:
            value: Value = msgspec.json.decode(raw, type=kind)
        except msgspec.DecodeError:
            continue
        found[name] = value[:LONGEST_NAME] if isinstance(value, str) else value
    return found


def _describe_meter(meter: Meter) -> Attributes:
    said: dict[str, Value] = {}
    if meter.finish_reason:
        said["gen_ai.response.finish_reasons"] = [meter.finish_reason]
    for field, value in meter.usage.ListFields() if meter.usage is not None else ():
        said[USAGE[field.name]] = value
    return said


def _describe_head(head: Chunk) -> Attributes:
    """The answer's id, and the model that it says answered."""
    first = head.split()[0]
    try:
        named = _decode_named(first if first.startswith(b"{") else read_event(first).data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    named = named.message or named.response or named
    said = {"gen_ai.response.id": named.id, "gen_ai.response.model": named.model}
    return {name: value[:LONGEST_NAME] for name, value in said.items() if value}
