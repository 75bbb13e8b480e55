"""A model provider on loopback that answers what it is asked, refuses what its makers refuse, and misbehaves on demand.

A request says by its model's name what is to happen to it (see `wishes`), so a test reaches every answer and every fault through the
whole gateway. Each request is recorded with what became of its connection.
"""

from fake_provider.exchange import Exchange
from fake_provider.ports import unaccepting_port
from fake_provider.server import FakeProvider
from fake_provider.wishes import Wishes

__all__ = ["Exchange", "FakeProvider", "Wishes", "unaccepting_port"]
