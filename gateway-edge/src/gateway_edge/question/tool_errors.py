"""Whether a conversation holds a tool's failure, as Anthropic's `tool_result` says it (`is_error`). Pure."""


def holds_tool_error(messages: object) -> bool:
    """Whether some part of some message is a tool's failure."""
    return any(
        _is_error(part) for message in _objects(messages) for part in (message, *_objects(message.get("content")))
    )


def _is_error(part: dict[str, object]) -> bool:
    return part.get("is_error") is True


def _objects(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
