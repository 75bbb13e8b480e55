"""A changed configuration comes into force whole, or not at all with every reason."""

import asyncio

import pytest

from chassis.config import Settings, parse_settings
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.reload.changeable import CHANGEABLE, find_fixed
from chassis.reload.followed import OwnFeed
from chassis.reload.outcome import Outcome, ReloadError
from chassis.reload.reloader import Reloader
from chassis.snapshots import Snapshot, SnapshotFeed, take_snapshot

FIRST = "cache: {enabled: true}"
SECOND = "cache: {enabled: false}"


class Bench:
    """A reloader of one process, whose file is `text`."""

    def __init__(self) -> None:
        self.text = FIRST
        self.feed = SnapshotFeed(self.read())
        self.metrics, self.changes = Metrics(), []
        self.reloader = Reloader(
            self.read,
            OwnFeed("cache", self.feed),
            metrics=self.metrics,
            log=get_logger("t"),
            on_change=self.changes.append,
        )

    def read(self) -> Snapshot:
        return take_snapshot(parse_settings(self.text))

    async def fail(self, text: str) -> ReloadError:
        """The error of a reload, which must have changed nothing."""
        self.text, before = text, self.feed.current
        with pytest.raises(ReloadError) as raised:
            await self.reloader.reload("test")
        assert self.feed.current is before
        assert self.changes == []
        return raised.value

    def counted(self, outcome: Outcome) -> bool:
        return f'runestone_snapshot_reloads_total{{outcome="{outcome}"}} 1.0' in self.metrics.exposition().decode()


async def test_a_changed_file_comes_into_force():
    bench = Bench()
    bench.text = SECOND
    done = await bench.reloader.reload("test")
    assert (done.is_changed, done.version, done.parts) == (True, bench.feed.current.version, {"cache": done.version})
    assert not bench.feed.current.settings.cache.enabled
    assert bench.changes == [bench.feed.current]
    assert bench.counted(Outcome.CHANGED)


async def test_an_unchanged_file_changes_nothing():
    bench = Bench()
    before = bench.feed.current
    bench.text = FIRST + "  # the same in other words"
    done = await bench.reloader.reload("test")
    assert (done.is_changed, done.version, bench.feed.current) == (False, before.version, before)
    assert bench.counted(Outcome.UNCHANGED)


async def test_the_metric_names_the_version_in_force_and_no_other():
    bench = Bench()
    bench.text = SECOND
    done = await bench.reloader.reload("test")
    lines = [
        line for line in bench.metrics.exposition().decode().splitlines() if line.startswith("runestone_snapshot_info")
    ]
    assert lines == [f'runestone_snapshot_info{{version="{done.version}"}} 1.0']


async def test_a_bad_file_says_everything_that_is_wrong_with_it():
    bench = Bench()
    error = await bench.fail("cache:\n  enabled: perhaps\nmodels: [{name: m}]\nshoe_size: 9\n")
    assert error.outcome is Outcome.INVALID
    assert [problem.line for problem in error.problems] == [2, 4]
    assert bench.counted(Outcome.INVALID)


async def test_what_cannot_change_at_run_time_is_refused_with_all_the_rest():
    bench = Bench()
    error = await bench.fail(SECOND + "\nedge: {workers: 3, http: {port: 1}}\nratelimit: {store: 'redis://h'}")
    assert error.outcome is Outcome.RESTART_NEEDED
    assert [str(problem).partition(":")[0] for problem in error.problems] == [
        "edge.workers", "edge.http.port", "ratelimit.store",
    ]  # fmt: skip
    assert bench.counted(Outcome.RESTART_NEEDED)


async def test_a_part_that_cannot_follow_vetoes_the_change():
    bench = Bench()

    def refuse(snapshot: Snapshot) -> None:
        if not snapshot.settings.cache.enabled:
            raise ValueError("no middleware today")

    bench.feed.follow(refuse)
    error = await bench.fail(SECOND)
    assert (error.outcome, error.parts) == (Outcome.REFUSED, {"cache": "ValueError: no middleware today"})
    assert bench.counted(Outcome.REFUSED)


async def test_reloads_at_once_take_their_turns():
    bench = Bench()
    bench.text = SECOND
    done = await asyncio.gather(*(bench.reloader.reload("test") for _ in range(5)))
    assert sorted(one.is_changed for one in done) == [False, False, False, False, True]
    assert len({one.version for one in done}) == 1


async def test_a_failed_reload_leaves_the_way_free_for_the_next():
    bench = Bench()
    await bench.fail("]")
    bench.text = SECOND
    assert (await bench.reloader.reload("test")).is_changed


async def test_a_reload_that_cannot_have_its_turn_says_so(monkeypatch):
    monkeypatch.setattr("chassis.reload.reloader.TURN", 0.01)
    bench, held = Bench(), asyncio.Event()

    class Stuck(OwnFeed):
        async def put_in_force(self, snapshot: Snapshot) -> None:
            await held.wait()

    stuck = Reloader(bench.read, Stuck("cache", bench.feed), metrics=Metrics(), log=get_logger("t"))
    bench.text = SECOND
    first = asyncio.create_task(stuck.reload("first"))
    await asyncio.sleep(0)
    with pytest.raises(ReloadError) as raised:
        await stuck.reload("second")
    assert raised.value.outcome is Outcome.INCOMPLETE
    held.set()
    await first


def test_every_changeable_setting_is_one_of_the_schema():
    for path in CHANGEABLE:
        settings: object = Settings()
        for name in path.split("."):
            settings = getattr(settings, name)


def test_new_settings_need_a_restart_until_somebody_says_otherwise():
    before, after = Settings(), parse_settings("telemetry: {sample_ratio: 0.5}\nmesh: {cache: {replicas: 2}}")
    assert find_fixed(before, after) == ["mesh.cache.replicas", "telemetry.sample_ratio"]
