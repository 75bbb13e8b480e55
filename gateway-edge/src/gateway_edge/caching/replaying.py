"""Kept answers on their way to a client: at once, or at the pace that they first came."""

import asyncio
from itertools import groupby, pairwise

from gateway_edge.caching.forms import Form, Shown
from gateway_edge.reply import Reply

LONGEST_PAUSE = 10.0  # seconds between two events; a provider may have thought for longer


async def send(reply: Reply, shown: Shown, form: Form, *, is_paced: bool) -> None:
    """Sends an answer whole. Cancelling ends it where it is; the stream is then not closed."""
    if not form.is_stream:
        await reply.send(shown.body, shown.content_type)
        return
    if is_paced and shown.offsets:
        await _write_paced(reply, shown)
    else:
        await reply.write(shown.body)
    await reply.close()


async def _write_paced(reply: Reply, shown: Shown) -> None:
    """What came together goes together."""
    events = zip(shown.offsets, pairwise((0, *shown.ends)), strict=True)
    before = 0.0
    for offset, together in groupby(events, key=lambda event: event[0]):
        borders = [border for _, border in together]
        await asyncio.sleep(min(max(0.0, offset - before), LONGEST_PAUSE))
        before = offset
        await reply.write(shown.body[borders[0][0] : borders[-1][1]])
