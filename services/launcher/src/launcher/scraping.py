"""The page that Prometheus reads: in the format that it asks for, OpenMetrics with exemplars or its text format of old."""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from launcher.merge import merge_expositions

OPEN_METRICS = "application/openmetrics-text"
TEXT_FORMAT = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
OPEN_FORMAT = {"Content-Type": f"{OPEN_METRICS}; version=1.0.0; charset=utf-8"}


async def answer_metrics(request: web.Request, expositions: Sequence[tuple[str, bytes]]) -> web.Response:
    """The sum of `(service, exposition)` pairs."""
    is_open = OPEN_METRICS in request.headers.get("Accept", "")
    # Parsing would hold the loop for milliseconds.
    text = await asyncio.to_thread(merge_expositions, expositions, is_open=is_open)
    return web.Response(body=text, headers=OPEN_FORMAT if is_open else TEXT_FORMAT)
