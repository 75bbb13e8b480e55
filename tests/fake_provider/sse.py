"""Server-sent events."""

import orjson


def data(value: object) -> bytes:
    """An event without a name."""
    return b"data: %b\n\n" % orjson.dumps(value)


def named(value: dict[str, object]) -> bytes:
    """An event with the name that its `type` is."""
    return b"event: %b\ndata: %b\n\n" % (str(value["type"]).encode(), orjson.dumps(value))


DONE = b"data: [DONE]\n\n"


def is_done(event: bytes) -> bool:
    return event.startswith(b"data: [DONE]")
