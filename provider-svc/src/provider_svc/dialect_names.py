"""The dialects by the names that the configuration has for them."""

from collections.abc import Iterable

from chassis.config.providers import DialectName
from runestone.common.v1 import dialect_pb2 as dialects
from runestone.common.v1.dialect_pb2 import Dialect

BY_NAME: dict[DialectName, Dialect.ValueType] = {
    "chat": dialects.DIALECT_OPENAI_CHAT,
    "responses": dialects.DIALECT_OPENAI_RESPONSES,
    "messages": dialects.DIALECT_ANTHROPIC_MESSAGES,
    "count_tokens": dialects.DIALECT_ANTHROPIC_COUNT_TOKENS,
    "completions": dialects.DIALECT_OPENAI_COMPLETIONS,
    "embeddings": dialects.DIALECT_OPENAI_EMBEDDINGS,
    "moderations": dialects.DIALECT_OPENAI_MODERATIONS,
    "images": dialects.DIALECT_OPENAI_IMAGES,
    "image_edits": dialects.DIALECT_OPENAI_IMAGE_EDITS,
    "speech": dialects.DIALECT_OPENAI_SPEECH,
    "transcriptions": dialects.DIALECT_OPENAI_TRANSCRIPTIONS,
    "translations": dialects.DIALECT_OPENAI_TRANSLATIONS,
    "rerank": dialects.DIALECT_RERANK,
}


def find_dialects(names: Iterable[DialectName]) -> frozenset[Dialect.ValueType]:
    """Those that `names` name."""
    return frozenset(BY_NAME[name] for name in names)
