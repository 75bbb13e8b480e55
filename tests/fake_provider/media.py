"""What the fake model sees: it says the type and the size of every picture, document and sound that it was sent."""

import base64
import re

from fake_provider.refusal import Refusal

DATA_URL = re.compile(r"data:([^;,]*)(?:;[^,]*)?;base64,(.*)", re.DOTALL)


def see(media_type: str, data: str) -> str:
    """Of base64. Refuses what is not."""
    try:
        size = len(base64.b64decode(data, validate=True))
    except ValueError:
        raise Refusal(f"the {media_type} is not valid base64", code="invalid_base64") from None
    return f"[{media_type} {size} bytes]"


def see_url(url: str) -> str:
    """Of a `data:` URL, or of one that a maker would fetch."""
    match = DATA_URL.fullmatch(url)
    if match is not None:
        return see(match[1], match[2])
    if not url.startswith(("https://", "http://")):
        raise Refusal(f"Invalid URL: {url[:40]!r}", code="invalid_image_url")
    return f"[at {url}]"


def see_text(media_type: str, text: str) -> str:
    return f"[{media_type} {len(text.encode())} bytes]"


def hear(result: str, call_id: str, *, is_error: bool = False) -> str:
    """What came of a tool's call, as the fake model repeats it."""
    return f"[{'error' if is_error else 'result'} of {call_id}: {result[:80]}]"
