"""What a request says of how its call is run: for how long, and whether it may outlive its connection."""

from collections.abc import Mapping

RESUMABLE = "x-runestone-resumable"  # the stream is to go on while its client is away
STREAM_HEADER = "x-runestone-stream"  # in the answer: the id under which it is read on
YES = frozenset({"1", "true"})  # and how that is said
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


def wants_resumable(headers: Mapping[str, str]) -> bool:
    """Whether a stream is asked for that goes on while its client is away."""
    return headers.get(RESUMABLE, "").lower() in YES
