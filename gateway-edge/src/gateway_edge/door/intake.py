"""What a request says of how its call is run: for how long, and whether it may outlive its connection."""

from collections.abc import Mapping

RESUMABLE = "x-runestone-resumable"  # `1`: the stream is to go on while its client is away
BACKGROUND = b'"background"'  # OpenAI's member of a response that may do so, too
TIMEOUT_HEADER = "x-runestone-timeout-ms"
MOST_DIGITS = 9


def read_timeout(headers: Mapping[str, str], most: float) -> float:
    """Seconds that the whole call may take: the client's own bound, never more than `most`. A bound that is not a
    positive whole number of milliseconds is ignored, as an unknown header would be."""
    text = headers.get(TIMEOUT_HEADER, "")
    if len(text) <= MOST_DIGITS and text.isascii() and text.isdigit() and int(text) > 0:
        return min(int(text) / 1000, most)
    return most
