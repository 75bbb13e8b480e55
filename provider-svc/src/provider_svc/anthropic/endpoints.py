"""Every endpoint in Anthropic's language: one table from dialect to path, and to how its answer is read."""

from provider_svc.anthropic.message import read_message, read_token_count, watch_message
from provider_svc.endpoint import Endpoint
from runestone.common.v1.dialect_pb2 import DIALECT_ANTHROPIC_COUNT_TOKENS, DIALECT_ANTHROPIC_MESSAGES, Dialect

ENDPOINTS: dict[Dialect.ValueType, Endpoint] = {
    DIALECT_ANTHROPIC_MESSAGES: Endpoint("/v1/messages", read_message, watch_message),
    DIALECT_ANTHROPIC_COUNT_TOKENS: Endpoint("/v1/messages/count_tokens", read_token_count),
}
