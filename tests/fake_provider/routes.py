"""Which dialect a path speaks, behind whatever prefix a maker has (`/v1`, `/openai/v1`, `/api/v1`, Azure's deployments)."""

import re
from collections.abc import Mapping

from fake_provider.anthropic import count_tokens, messages
from fake_provider.dialect import Dialect
from fake_provider.openai import (
    chat,
    completions,
    embeddings,
    images,
    missing,
    models,
    moderations,
    rerank,
    responses,
    speech,
    stored,
    transcriptions,
)

# The first that fits; longer tails stand before those that end like them.
ROUTES: tuple[tuple[str, re.Pattern[str], Dialect], ...] = tuple(
    (method, re.compile(rf".*{tail}"), dialect)
    for method, tail, dialect in (
        ("POST", "/chat/completions", chat.DIALECT),
        ("POST", "/completions", completions.DIALECT),
        ("POST", "/responses", responses.DIALECT),
        ("GET", "/responses/[^/]+", stored.GET),
        ("DELETE", "/responses/[^/]+", stored.DELETE),
        ("POST", "/responses/[^/]+/cancel", stored.CANCEL),
        ("GET", "/responses/[^/]+/input_items", stored.INPUT_ITEMS),
        ("POST", "/messages", messages.DIALECT),
        ("POST", "/messages/count_tokens", count_tokens.DIALECT),
        ("POST", "/embeddings", embeddings.DIALECT),
        ("POST", "/moderations", moderations.DIALECT),
        ("POST", "/images/generations", images.GENERATIONS),
        ("POST", "/images/edits", images.EDITS),
        ("POST", "/audio/speech", speech.DIALECT),
        ("POST", "/audio/transcriptions", transcriptions.TRANSCRIPTIONS),
        ("POST", "/audio/translations", transcriptions.TRANSLATIONS),
        ("POST", "/rerank", rerank.DIALECT),
        ("GET", "/models(?:/[^/]+)?", models.DIALECT),
    )
)
DEPLOYMENT = re.compile(r".*/deployments/([^/]+)/.*")


def find_dialect(method: str, path: str, headers: Mapping[str, str]) -> tuple[Dialect, str]:
    """The dialect, and the model where the path names one (else ""). A path that nobody has is answered as OpenAI answers it."""
    deployment = DEPLOYMENT.fullmatch(path)
    for verb, pattern, dialect in ROUTES:
        if verb == method and pattern.fullmatch(path):
            is_anthropics = dialect is models.DIALECT and "anthropic-version" in headers
            return models.ANTHROPIC if is_anthropics else dialect, deployment[1] if deployment else ""
    return missing.DIALECT, ""
