"""What the simulated provider plays: one table from dialect to player."""

from collections.abc import Callable

from provider_svc.simulated.answer import play_chat
from provider_svc.simulated.completions import play_completion
from provider_svc.simulated.embeddings import play_embeddings
from provider_svc.simulated.moderations import play_moderation
from provider_svc.simulated.played import Asked, Played
from provider_svc.simulated.rerank import play_ranking
from runestone.common.v1.dialect_pb2 import (
    DIALECT_OPENAI_CHAT,
    DIALECT_OPENAI_COMPLETIONS,
    DIALECT_OPENAI_EMBEDDINGS,
    DIALECT_OPENAI_MODERATIONS,
    DIALECT_RERANK,
    Dialect,
)

PLAYERS: dict[Dialect.ValueType, Callable[[Asked], Played]] = {
    DIALECT_OPENAI_CHAT: play_chat,
    DIALECT_OPENAI_COMPLETIONS: play_completion,
    DIALECT_OPENAI_EMBEDDINGS: play_embeddings,
    DIALECT_OPENAI_MODERATIONS: play_moderation,
    DIALECT_RERANK: play_ranking,
}
