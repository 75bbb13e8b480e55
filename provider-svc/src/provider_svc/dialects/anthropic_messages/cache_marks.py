"""Marks of the prompt cache, of which Anthropic takes four in a request."""

from provider_svc.dialects.losses import Losses
from provider_svc.dialects.prompt import CacheMark, Json

MOST = 4  # https://docs.claude.com/en/docs/build-with-claude/prompt-caching


class CacheMarks:
    """Writes marks in the order in which Anthropic reads a request; those that are too many are hints that are left out."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._left = MOST

    def put(self, block: Json, mark: CacheMark | None, path: str) -> Json:
        """The block, with its mark where it has one."""
        if mark is None:
            return block
        if not self._left:
            self._losses.drop(f"{path}.cache_control")
            return block
        self._left -= 1
        control = {"type": "ephemeral"} if mark.ttl is None else {"type": "ephemeral", "ttl": mark.ttl}
        return block | {"cache_control": control}
