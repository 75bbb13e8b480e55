"""Operators hear of sealed answers that do not open."""

import pytest

from cache_svc.encryption.opening import PAUSE, Witness
from chassis.metrics import Metrics


class Log:
    """Remembers warnings."""

    def __init__(self):
        self.warnings = []

    def warning(self, event, **_):
        self.warnings.append(event)


@pytest.fixture
def log():
    return Log()


async def test_every_outcome_is_counted(log, clock):
    metrics = Metrics()
    witness = Witness(metrics.counter("cache_unsealed", "Sealed answers", ("outcome",)), log, clock)
    for outcome in ("opened", "opened", "damaged", "no_key", "locked"):
        witness.note(outcome)
    text = metrics.exposition().decode()
    assert 'runestone_cache_unsealed_total{outcome="opened"} 2.0' in text
    assert 'runestone_cache_unsealed_total{outcome="locked"} 1.0' in text


async def test_keys_that_do_not_open_are_warned_of_once_a_minute(log, clock):
    witness = Witness(Metrics().counter("cache_unsealed", "Sealed answers", ("outcome",)), log, clock)
    for _ in range(3):
        witness.note("locked")
    witness.note("damaged")
    assert len(log.warnings) == 1
    clock.advance(PAUSE)
    witness.note("locked")
    assert len(log.warnings) == 2
