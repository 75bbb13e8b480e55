"""Every endpoint in OpenAI's language: one table from dialect to path, and to how its answer is read."""

from provider_svc.endpoint import Endpoint
from provider_svc.openai.media import watch_media
from provider_svc.openai.request import wants_usage
from provider_svc.openai.response import read_answer, read_media, read_ranking
from provider_svc.openai.responses import read_response, watch_response
from provider_svc.openai.stream import ChunkWatcher
from provider_svc.provider import UpstreamCall
from runestone.common.v1.dialect_pb2 import (
    DIALECT_OPENAI_CHAT,
    DIALECT_OPENAI_COMPLETIONS,
    DIALECT_OPENAI_EMBEDDINGS,
    DIALECT_OPENAI_IMAGE_EDITS,
    DIALECT_OPENAI_IMAGES,
    DIALECT_OPENAI_MODERATIONS,
    DIALECT_OPENAI_RESPONSES,
    DIALECT_OPENAI_SPEECH,
    DIALECT_OPENAI_TRANSCRIPTIONS,
    DIALECT_OPENAI_TRANSLATIONS,
    DIALECT_RERANK,
    Dialect,
)


def watch_chunks(call: UpstreamCall) -> ChunkWatcher:
    """Watches a stream of chunks."""
    return ChunkWatcher(call.meter, strips_usage=not wants_usage(call.members))


ENDPOINTS: dict[Dialect.ValueType, Endpoint] = {
    DIALECT_OPENAI_CHAT: Endpoint("/chat/completions", read_answer, watch_chunks),
    DIALECT_OPENAI_COMPLETIONS: Endpoint("/completions", read_answer, watch_chunks),
    DIALECT_OPENAI_RESPONSES: Endpoint("/responses", read_response, watch_response),
    DIALECT_OPENAI_EMBEDDINGS: Endpoint("/embeddings", read_media),
    DIALECT_OPENAI_MODERATIONS: Endpoint("/moderations", read_media),
    DIALECT_OPENAI_IMAGES: Endpoint("/images/generations", read_media, watch_media),
    DIALECT_OPENAI_IMAGE_EDITS: Endpoint("/images/edits", read_media, watch_media),
    DIALECT_OPENAI_SPEECH: Endpoint("/audio/speech", read_media, watch_media, is_media=True),
    DIALECT_OPENAI_TRANSCRIPTIONS: Endpoint("/audio/transcriptions", read_media, watch_media, is_media=True),
    DIALECT_OPENAI_TRANSLATIONS: Endpoint("/audio/translations", read_media, is_media=True),
    DIALECT_RERANK: Endpoint("/rerank", read_ranking),
}

# Streams whose usage has to be asked for, and comes in a chunk of its own.
CHUNKED = frozenset({DIALECT_OPENAI_CHAT, DIALECT_OPENAI_COMPLETIONS})
