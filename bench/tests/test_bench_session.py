"""A run refuses what is wrong with ours, names what is wrong with a peer, and leaves nothing behind."""

import os
import sys
from dataclasses import replace

import pytest

from bench.cases import CACHED, UNARY, ask_once
from bench.cores import Cores
from bench.direct import Direct
from bench.measurement import Subject, measure_case
from bench.refusal import NotMeasured
from bench.session import Session
from bench.targets import Command, Place, started
from bench.yardstick import Yardstick

CORE = min(os.sched_getaffinity(0))
SHORT = [replace(case, connections=2, seconds=0.1, warm_up=0.05) for case in (UNARY, CACHED)]


class Alone(Yardstick):
    """Answers by itself: right for the cached case, wrong for any other."""

    def __init__(self, *, is_peer: bool) -> None:
        self.is_peer = is_peer


class Missing(Alone):
    name = "missing"

    def install(self) -> str:
        raise NotMeasured("npm is not installed")


class Mute(Alone):
    name = "mute"

    def prepare(self, place: Place) -> Command:
        return Command(words=[sys.executable, "-c", f"raise SystemExit('no {place.port}, no answers')"])


@pytest.fixture
def session(monkeypatch) -> Session:
    monkeypatch.setattr("bench.targets.SETTLE", 0.0)
    monkeypatch.setattr("bench.measurement.BUSY", 0.0)
    return Session(cores=Cores(gateway=CORE, upstream=CORE, load=CORE), cases=SHORT, latency=0.0)


def test_what_is_measured_is_in_the_rows(session):
    direct, alone = session.run([Alone(is_peer=True)], rounds=2, patience=60)
    assert (direct.name, alone.name) == ("direct", "calibration")
    assert len(direct.figures["unary µs"]) == len(alone.figures["cached µs"]) == session.taken == 2
    assert min(direct.figures["unary/s"] + alone.figures["cached/s"]) > 0
    assert set(alone.idle) == {"calibration.py"}
    assert "unary/s" in direct.bound  # the bound is set to nothing here, so every load exceeds it


def test_a_case_that_a_peer_answers_without_asking_the_model_is_named_and_left_out(session):
    _, row = session.run([Alone(is_peer=True)], rounds=1, patience=60)
    assert [note.partition(":")[0] for note in row.notes] == ["calibration, unary"]
    assert "unary µs" not in row.figures


def test_a_case_that_ours_answers_without_asking_the_model_ends_the_run(session):
    with pytest.raises(NotMeasured, match="calibration, unary: the upstream was asked only 0"):
        session.run([Alone(is_peer=False)], rounds=1, patience=60)


def test_a_peer_that_cannot_be_had_is_named_and_the_run_goes_on(session):
    direct, missing, alone = session.run([Missing(is_peer=True), Alone(is_peer=True)], rounds=1, patience=60)
    assert missing.notes == ["npm is not installed"]
    assert missing.figures == {}
    assert direct.figures.keys() > {"unary µs"}
    assert alone.figures.keys() > {"cached µs"}


def test_a_peer_that_ends_at_its_start_is_named(session):
    _, mute = session.run([Mute(is_peer=True)], rounds=1, patience=60)
    assert mute.notes == ["mute does not answer: ended with 1"]
    assert mute.figures == {}


async def test_a_cached_answer_for_which_the_model_was_asked_is_refused(session):
    """Whatever its headers say."""
    direct = Direct()
    with started(direct, 0, CORE, ask_once(direct.manner(0))) as upstream:
        subject = Subject(
            name="forgetful", manner=direct.manner(0), port=upstream.port, pid=upstream.pid, upstream_port=upstream.port
        )
        with pytest.raises(NotMeasured, match=r"forgetful, cached: .* its cache does not answer"):
            await measure_case(subject, SHORT[1], session.cores)


def test_no_round_is_begun_that_would_end_too_late(session):
    """One is always taken."""
    session.run([], rounds=3, patience=0.0)
    assert session.taken == 1


SLOW = """
import asyncio, sys
from bench.upstream import ANSWER, Upstream
async def answer(reader, writer):
    while head := await reader.readuntil(b"\\r\\n\\r\\n"):
        if head.startswith(b"GET"):
            body = b"%d" % Upstream.asked
            writer.write(b"HTTP/1.1 200 OK\\r\\nconnection: close\\r\\ncontent-length: %d\\r\\n\\r\\n%b" % (len(body), body))
            return writer.close()
        await reader.readexactly(int(dict(line.split(b": ") for line in head.split(b"\\r\\n")[1:-2])[b"content-length"]))
        Upstream.asked += 1
        await asyncio.sleep(0.2)
        writer.write(ANSWER)
async def main():
    await (await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))).serve_forever()
asyncio.run(main())
"""


class Slow(Direct):
    """Answers one wave of questions at a time, each after a while."""

    name = "slow"

    def prepare(self, place: Place) -> Command:
        return Command(words=[sys.executable, "-c", SLOW, str(place.port)])


async def test_a_slow_target_is_measured_over_a_whole_wave(session):
    """Its window would else have ended before the first answer, and its warm-up before it was warm."""
    slow = Slow()
    case = replace(SHORT[0], warm_up=0.0, seconds=0.01)
    with started(slow, 0, CORE, ask_once(slow.manner(0))) as target:
        subject = Subject(
            name="slow", manner=slow.manner(0), port=target.port, pid=target.pid, upstream_port=target.port
        )
        sample = await measure_case(subject, case, session.cores)
    assert sample.served >= case.connections
    assert len(sample.tally.latencies) == sample.served
