"""A simulated session: what it is sent is anybody's."""

import json

import pytest

from chassis.config.providers import Simulation
from provider_svc.realtime.simulated import SimulatedSocket


@pytest.mark.parametrize("message", ["", "null", "[]", "{}", '{"type": 5}', '{"type": []}', '{"type": {}}', b"\xff"])
async def test_what_is_no_event_is_answered_with_an_error(message: str | bytes) -> None:
    socket = SimulatedSocket("words", Simulation())
    told = aiter(socket)
    await anext(told)
    await socket.send(message)
    assert json.loads(await anext(told))["type"] == "error"
