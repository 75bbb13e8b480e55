"""The launcher as a process, with real children: what holds when parts, or the launcher itself, die."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families


def run_directory_of(mesh) -> Path:
    """Where its sockets are."""
    return Path(mesh.facts["control"].removeprefix("unix:")).parent


def test_all_parts_become_ready_and_the_mesh_says_where_it_is(start_mesh):
    """mesh.json appears once every part is ready; the sockets it names are private."""
    mesh = start_mesh("--workers", "2").wait_ready()
    assert mesh.readiness()["status"] == "ready"
    assert set(mesh.readiness()["parts"]) == {"cache", "audit", "edge-0", "edge-1"}
    assert mesh.facts["pid"] == mesh.process.pid
    assert mesh.facts["version"] == mesh.readiness()["version"]
    assert stat.S_IMODE(run_directory_of(mesh).stat().st_mode) == 0o700
    assert f"listening on http://127.0.0.1:{mesh.facts['http']['port']}" in mesh.output
    assert f"WebSockets on ws://127.0.0.1:{mesh.facts['websocket']['port']}" in mesh.output


@pytest.mark.parametrize("port", ["http", "websocket"])
def test_a_killed_child_is_started_again_and_the_rest_runs_on(start_mesh, port):
    """`kill -9` of the door's process: a new one takes over its sockets, the others keep their processes."""
    mesh = start_mesh().wait_ready()
    before = mesh.pids()
    os.kill(before["edge-0"], signal.SIGKILL)
    assert int(mesh.fetch(port, "/")[1]) not in before.values()  # it waited in the socket that the launcher kept
    mesh.wait_until(lambda: mesh.readiness()["status"] == "ready", "ready again")
    after = mesh.pids()
    assert after["edge-0"] != before["edge-0"]
    assert (after["cache"], after["audit"]) == (before["cache"], before["audit"])


def test_a_crash_loop_ends_the_mesh_with_one_line_and_exit_code_1(start_mesh):
    mesh = start_mesh("--crashing")
    assert mesh.wait_end() == 1
    assert "runestone: provider keeps ending (last with code 1)" in mesh.output
    assert "Traceback" not in mesh.output


def test_sigterm_stops_callers_before_callees_and_leaves_nothing(start_mesh, running_pids):
    mesh = start_mesh().wait_ready()
    pids, run_directory = mesh.pids(), run_directory_of(mesh)
    mesh.process.send_signal(signal.SIGTERM)
    assert mesh.wait_end() == 0
    assert (mesh.data_dir / "stops").read_text().split() == ["edge", "audit", "cache"]
    assert running_pids(pids) == set()
    assert not (mesh.data_dir / "mesh.json").exists()
    assert not run_directory.exists()


def test_a_closed_terminal_stops_the_mesh_as_sigterm_does(start_mesh, running_pids):
    """Its shell is gone, and so is where anybody could read what is said."""
    terminal, its_own = os.openpty()
    mesh = start_mesh(stdin=its_own, stdout=its_own, stderr=its_own, preexec_fn=lambda: os.login_tty(os.dup(its_own)))
    os.close(its_own)
    pids, run_directory = mesh.wait_ready().pids(), run_directory_of(mesh)
    os.close(terminal)
    assert mesh.wait_end() == 0
    assert (mesh.data_dir / "stops").read_text().split() == ["edge", "audit", "cache"]
    assert running_pids(pids) == set()
    assert not (mesh.data_dir / "mesh.json").exists()
    assert not run_directory.exists()


def test_a_part_that_hangs_is_ended_and_started_again(start_mesh):
    """Alive but silent: nothing but the launcher would ever end it."""
    mesh = start_mesh("--every", "0.3").wait_ready()
    before = mesh.pids()["cache"]
    os.kill(before, signal.SIGSTOP)
    mesh.wait_until(lambda: mesh.pids()["cache"] not in {0, before}, "a new process")
    mesh.wait_until(lambda: mesh.readiness()["status"] == "ready", "ready again")
    assert "part hangs, killed" in mesh.output


def test_children_end_when_the_launcher_is_killed(start_mesh, running_pids):
    """Nobody is left to stop them: the end of their lifeline does."""
    mesh = start_mesh().wait_ready()
    pids = mesh.pids()
    mesh.process.send_signal(signal.SIGKILL)
    mesh.wait_end()
    mesh.wait_until(lambda: running_pids(pids) == set(), "children gone")


def test_a_child_that_is_still_starting_ends_with_its_lifeline(data_dir, fakes):
    """It waits for a first snapshot that never comes; the end of its stdin ends the wait."""
    command = [
        sys.executable,
        "-m",
        "fake_cache",
        "--listen",
        f"unix:{data_dir}/s",
        "--control",
        f"unix:{data_dir}/none",
    ]
    with subprocess.Popen([*command, "--lifeline"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=fakes) as child:
        child.stdin.close()
        assert child.wait(20) == 0
        assert child.stderr.read() == b""


def test_a_mesh_starts_where_a_killed_one_was(start_mesh, running_pids):
    """What a killed launcher left behind is no obstacle, misleads nobody and is cleared away."""
    killed = start_mesh().wait_ready()
    pids, left = killed.pids(), run_directory_of(killed)
    killed.process.send_signal(signal.SIGKILL)
    killed.wait_end()
    next_one = start_mesh()
    next_one.wait_until(lambda: next_one.process.pid == next_one.announced_pid, "announced anew")
    assert next_one.readiness()["status"] == "ready"
    assert not left.exists()
    killed.wait_until(lambda: running_pids(pids) == set(), "the killed one's children gone")


def test_a_second_mesh_on_the_same_data_directory_is_refused(start_mesh):
    first = start_mesh().wait_ready()
    second = start_mesh()
    assert second.wait_end() == 1
    assert f"runestone: another mesh runs on {first.data_dir}" in second.output
    assert first.readiness()["status"] == "ready"


def test_a_hanging_child_is_shown_as_not_ready(start_mesh, frozen):
    """Readiness and metrics are answered all the same."""
    mesh = start_mesh().wait_ready()
    with frozen(mesh.pids()["cache"]):
        code, body = mesh.fetch("admin", "/health/readiness")
        assert code == 503
        assert json.loads(body)["parts"]["cache"]["error"] == "does not answer (DEADLINE_EXCEEDED)"
        assert 'runestone_part_answers{part="cache",service="launcher"} 0.0' in mesh.fetch("admin", "/metrics")[1]


def test_metrics_are_summed_over_workers(start_mesh):
    mesh = start_mesh("--workers", "2").wait_ready()
    families = {family.name: family for family in text_string_to_metric_families(mesh.fetch("admin", "/metrics")[1])}
    opened = [(s.labels, s.value) for s in families["runestone_door_opened"].samples if s.name.endswith("_total")]
    assert opened == [({"service": "edge"}, 2.0)]


def test_counters_do_not_fall_when_a_part_hangs_or_dies(start_mesh, frozen):
    """To Prometheus a fall is a reset: everything would be counted again."""
    mesh = start_mesh("--workers", "2").wait_ready()

    def doors_opened() -> float:
        _, text = mesh.fetch("admin", "/metrics")
        return float(re.search(r'^runestone_door_opened_total\{service="edge"\} (.+)$', text, re.MULTILINE)[1])

    assert doors_opened() == 2
    before = mesh.pids()["edge-0"]
    with frozen(before):
        assert doors_opened() == 2
    os.kill(before, signal.SIGKILL)
    mesh.wait_until(lambda: mesh.pids()["edge-0"] not in {0, before}, "started again")
    assert doors_opened() == 3


def test_the_admin_port_has_nothing_else(start_mesh):
    mesh = start_mesh("--one-process").wait_ready()
    for path in ("/", "/health", "/health/readiness/x"):
        code, body = mesh.fetch("admin", path)
        assert (code, json.loads(body)["error"]["type"]) == (404, "not_found")


def test_one_process_is_the_same_mesh(start_mesh):
    """The same parts, pages and order, with one process id."""
    mesh = start_mesh("--one-process").wait_ready()
    assert set(mesh.pids().values()) == {mesh.process.pid}
    assert int(mesh.fetch("http", "/")[1]) == mesh.process.pid
    assert mesh.fetch("admin", "/health/liveliness") == mesh.fetch("admin", "/health/liveness")
    mesh.process.send_signal(signal.SIGINT)
    assert mesh.wait_end() == 0
    assert (mesh.data_dir / "stops").read_text().split() == ["edge", "audit", "cache"]


def test_a_service_that_cannot_start_ends_the_one_process_mesh(start_mesh):
    mesh = start_mesh("--one-process", "--crashing")
    assert mesh.wait_end() == 1
    assert "runestone: provider cannot start: the disk is on fire" in mesh.output
