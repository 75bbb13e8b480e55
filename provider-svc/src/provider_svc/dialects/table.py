"""The dialects of conversations, and which of them a call is translated into."""

from provider_svc.dialects import anthropic_messages, openai_chat, openai_responses
from provider_svc.dialects.dialect import Dialect
from runestone.common.v1 import dialect_pb2
from runestone.common.v1.dialect_pb2 import DIALECT_ANTHROPIC_MESSAGES, DIALECT_OPENAI_CHAT, DIALECT_OPENAI_RESPONSES

DIALECTS: dict[dialect_pb2.Dialect.ValueType, Dialect] = {
    DIALECT_OPENAI_CHAT: openai_chat.DIALECT,
    DIALECT_OPENAI_RESPONSES: openai_responses.DIALECT,
    DIALECT_ANTHROPIC_MESSAGES: anthropic_messages.DIALECT,
}

# What a call in each is translated into, where its provider does not speak it: the first that the provider speaks. Responses tell
# what a model thought and take it back, which Chat Completions do not.
TRANSLATIONS: dict[dialect_pb2.Dialect.ValueType, tuple[dialect_pb2.Dialect.ValueType, ...]] = {
    DIALECT_OPENAI_CHAT: (DIALECT_ANTHROPIC_MESSAGES, DIALECT_OPENAI_RESPONSES),
    DIALECT_OPENAI_RESPONSES: (DIALECT_OPENAI_CHAT, DIALECT_ANTHROPIC_MESSAGES),
    DIALECT_ANTHROPIC_MESSAGES: (DIALECT_OPENAI_RESPONSES, DIALECT_OPENAI_CHAT),
}


def find_translation(
    asked: dialect_pb2.Dialect.ValueType, spoken: frozenset[dialect_pb2.Dialect.ValueType]
) -> dialect_pb2.Dialect.ValueType | None:
    """The dialect that a call is put in for a provider that does not speak its own; None where there is no way."""
    return next((dialect for dialect in TRANSLATIONS.get(asked, ()) if dialect in spoken), None)
