"""Server-sent events as bytes (https://html.spec.whatwg.org/multipage/server-sent-events.html): blocks, and the data in each."""

DONE = b"[DONE]"
FIELD = b"data:"


def split_events(events: bytes) -> list[bytes]:
    """Every event of `events`, which are whole, without the empty line that ends it. Line ends become LF: JSON holds none."""
    if b"\r" in events:
        events = events.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return [stripped for event in events.split(b"\n\n") if (stripped := event.strip(b"\n"))]


def read_data(event: bytes) -> bytes | None:
    """The data of an event; None when it has none, as a comment. White space around it is left."""
    if event.startswith(b"data: {") and b"\n" not in event:
        return event[6:]
    lines = [line[len(FIELD) :] for line in event.split(b"\n") if line.startswith(FIELD)]
    return b"\n".join(lines) if lines else None


def is_done(data: bytes) -> bool:
    """Whether it says that the stream is whole (OpenAI's `[DONE]`)."""
    return len(data) < 2 * len(DONE) and data.strip() == DONE


def with_data(event: bytes, data: bytes) -> bytes:
    """The event with other data, and with the empty line that ends it."""
    if b"\n" not in event:
        return b"data: " + data + b"\n\n"
    others = [line for line in event.split(b"\n") if not line.startswith(FIELD)]
    return b"\n".join([*others, b"data: " + data + b"\n\n"])
