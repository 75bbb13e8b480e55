"""What CPU is counted in where figures of different days are compared: `calibration.py` as a target."""

import sys
from pathlib import Path

from bench.cases import Case
from bench.targets import Command, Manner, Place

SCRIPT = Path(__file__).with_name("calibration.py")
CASE = Case(name="calibration", connections=32, seconds=0.8, warm_up=0.2, is_cached=True)  # it answers by itself


class Yardstick:
    """A server whose work never changes."""

    name = "calibration"
    has_cache = True
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
        return Command(words=[sys.executable, str(SCRIPT), str(place.port)])
