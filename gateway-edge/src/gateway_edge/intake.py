"""Reading a request: its body, bounded in bytes and time, and the time that the client gives the call."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from chassis.errors import Reason, RunestoneError

TIMEOUT_HEADER = "x-runestone-timeout-ms"
BODY_TIMEOUT = 60.0
MOST_DIGITS = 9
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def read_body(request: web.BaseRequest, max_body: int, timeout: float) -> bytes:
    """The whole body. Raises BODY_TOO_LARGE as soon as it is known to be, REQUEST_TIMEOUT when it comes too slowly."""
    if (request.content_length or 0) > max_body:
        raise _too_large(max_body)
    if request.headers.get("expect", "").lower() == "100-continue":
        await request.writer.write(CONTINUE)  # RFC 9110, section 10.1.1: not before the headers were found good
        request.writer.output_size = 0
    blocks, size = [], 0
    try:
        async with asyncio.timeout(min(timeout, BODY_TIMEOUT)):
            async for block in request.content.iter_any():
                size += len(block)
                if size > max_body:
                    raise _too_large(max_body)
                blocks.append(block)
    except TimeoutError as error:
        raise RunestoneError(Reason.REQUEST_TIMEOUT, "the request body did not arrive in time") from error
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _too_large(max_body: int) -> RunestoneError:
    return RunestoneError(Reason.BODY_TOO_LARGE, f"the request body is larger than {max_body} bytes")


def read_timeout(headers: Mapping[str, str], most: float) -> float:
    """Seconds that the whole call may take: the client's own bound, never more than `most`. A bound that is not a
    positive whole number of milliseconds is ignored, as an unknown header would be."""
    text = headers.get(TIMEOUT_HEADER, "")
    if len(text) <= MOST_DIGITS and text.isascii() and text.isdigit() and int(text) > 0:
        return min(int(text) / 1000, most)
    return most
