"""No gateway at all: the upstream that every gateway calls, asked directly."""

import json
import sys
import urllib.request
from pathlib import Path

from bench.targets import Command, Manner, Place

MODULE = Path(__file__).with_name("upstream.py")


class Direct:
    """The upstream as a target, so that its latency can be taken off the gateways'."""

    name = "direct"
    has_cache = False
    is_peer = False
    warm_up = 0.0

    def manner(self, _upstream: int) -> Manner:
        """As OpenAI's clients ask."""
        return Manner()

    def install(self) -> str:
        """Nothing to install."""
        return ""

    def prepare(self, place: Place) -> Command:
        """Reads nothing at start."""
        return Command(words=[sys.executable, str(MODULE), str(place.port)])


def count_asked(port: int) -> int:
    """How many completions the upstream has been asked for."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/asked", timeout=10) as answer:
        return int(json.load(answer))
