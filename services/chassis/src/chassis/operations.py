"""What OpenTelemetry's GenAI conventions call what is asked of a model (`gen_ai.operation.name`). Pure."""

from runestone.common.v1.dialect_pb2 import (
    DIALECT_ANTHROPIC_COUNT_TOKENS,
    DIALECT_OPENAI_COMPLETIONS,
    DIALECT_OPENAI_EMBEDDINGS,
    DIALECT_OPENAI_IMAGE_EDITS,
    DIALECT_OPENAI_IMAGES,
    DIALECT_OPENAI_MODERATIONS,
    DIALECT_OPENAI_SPEECH,
    DIALECT_OPENAI_TRANSCRIPTIONS,
    DIALECT_OPENAI_TRANSLATIONS,
    DIALECT_RERANK,
    Dialect,
)

_OPERATIONS: dict[Dialect.ValueType, str] = {
    DIALECT_OPENAI_COMPLETIONS: "text_completion",
    DIALECT_OPENAI_EMBEDDINGS: "embeddings",
    DIALECT_OPENAI_MODERATIONS: "moderation",
    DIALECT_OPENAI_IMAGES: "image_generation",
    DIALECT_OPENAI_IMAGE_EDITS: "image_generation",
    DIALECT_OPENAI_SPEECH: "speech",
    DIALECT_OPENAI_TRANSCRIPTIONS: "transcription",
    DIALECT_OPENAI_TRANSLATIONS: "transcription",
    DIALECT_RERANK: "rerank",
    DIALECT_ANTHROPIC_COUNT_TOKENS: "count_tokens",
}


def name_operation(dialect: Dialect.ValueType) -> str:
    """The operation of a dialect; `chat` for whatever answers in words."""
    return _OPERATIONS.get(dialect, "chat")
