"""What is measured is the pipeline that calls take: all of it, on the way of a miss."""

from bench.pipeline import measure, print_table, read_settings
from chassis.config.pipelines import step_name
from gateway_edge.pipeline import BUILT_IN
from gateway_edge.stopwatch import OUTSIDE


async def test_every_middleware_of_the_default_pipeline_is_timed_in_every_call(capsys) -> None:
    measured = await measure(read_settings(), warm_up=1, count=3, rounds=2)
    assert len(measured.calls) == 3
    for call, whole in zip(measured.calls, measured.with_door, strict=True):
        steps = list(call)
        assert steps[:4] == [OUTSIDE, "record", "settle", "identify"]
        assert steps[steps.index("choose") + 1 :] == [*map(step_name, BUILT_IN["default"]), "call"]
        assert 0 < sum(call.values()) <= whole
    print_table(measured)
    rows = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert rows[2:] == [*measured.middleware, "all middleware", "and the door"]
