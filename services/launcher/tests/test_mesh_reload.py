"""A running mesh and its changing configuration: in all parts or in none, whoever asks for it."""

import os
import re
import signal

import pytest

from chassis.config import parse_settings
from chassis.reload.outcome import Outcome, ReloadError
from launcher.admin_api import STATUSES, describe_failure


@pytest.fixture(params=["processes", "one-process"])
def mesh(request, start_mesh):
    options = ["--workers", "2"] if request.param == "processes" else ["--one-process"]
    return start_mesh(*options).wait_ready()


def wait_for_change(mesh, before: set[str]) -> None:
    mesh.wait_until(lambda: len(now := mesh.versions()) == 1 and now != before, "one new version everywhere")


def test_a_changed_file_comes_into_force_in_every_part(mesh):
    before = mesh.versions()
    mesh.configure("cache: {default_ttl: 7s}")
    wait_for_change(mesh, before)


def test_a_hangup_reads_the_file_again_and_stops_nothing(mesh):
    """What a file watch might have missed is found, and the same file changes nothing."""
    before = mesh.versions()
    mesh.process.send_signal(signal.SIGHUP)
    mesh.configure("cache: {default_ttl: 7s}")
    mesh.process.send_signal(signal.SIGHUP)
    wait_for_change(mesh, before)
    assert mesh.process.poll() is None


def test_a_reload_answers_when_all_parts_have_it(mesh):
    before = mesh.versions()
    mesh.configure("cache: {default_ttl: 7s}")
    status, said = mesh.ask_admin("/admin/v1/reload")
    assert status == 200
    assert {said["version"]} == mesh.versions() == set(said["parts"].values()) != before
    assert set(said["parts"]) == set(mesh.readiness()["parts"])
    assert mesh.ask_admin("/admin/v1/reload") == (200, {**said, "changed": False})


def test_a_bad_file_changes_nothing_and_is_told_of_with_lines(mesh):
    before = mesh.versions()
    mesh.configure("cache: {when: sometimes}\nshoe_size: 9")
    status, said = mesh.ask_admin("/admin/v1/reload")
    assert (status, said["error"]["type"], {said["version"]}) == (400, "invalid", before)
    assert [(problem["path"], type(problem["line"])) for problem in said["error"]["problems"]] == [
        ("cache.when", int),
        ("shoe_size", int),
    ]
    assert mesh.versions() == before


def test_what_needs_a_restart_changes_nothing(mesh):
    before = mesh.versions()
    mesh.configure("cache: {default_ttl: 7s, store: 'redis://127.0.0.1:1'}")
    status, said = mesh.ask_admin("/admin/v1/reload")
    assert (status, said["error"]["type"]) == (409, "restart_needed")
    assert [problem["path"] for problem in said["error"]["problems"]] == ["cache.store"]
    assert mesh.versions() == before


def test_one_part_that_refuses_keeps_all_others_from_it(mesh):
    before = mesh.versions()
    mesh.configure("cache: {default_ttl: 13s}")
    status, said = mesh.ask_admin("/admin/v1/reload")
    assert (status, said["error"]["type"]) == (400, "refused")
    assert said["error"]["parts"] == {"cache": "ValueError: thirteen is too unlucky a ttl"}
    assert mesh.versions() == before
    mesh.configure("cache: {default_ttl: 12s}")
    assert mesh.ask_admin("/admin/v1/reload")[0] == 200


def test_reloads_and_the_version_in_force_are_metrics(mesh):
    mesh.configure("cache: {default_ttl: 7s}")
    version = mesh.ask_admin("/admin/v1/reload")[1]["version"]
    text = mesh.fetch("admin", "/metrics")[1]
    assert re.findall(r"^runestone_snapshot_info\{.*\}", text, re.MULTILINE) == [
        f'runestone_snapshot_info{{service="launcher",version="{version}"}}'
    ]
    assert 'runestone_snapshot_reloads_total{outcome="changed",service="launcher"} 1.0' in text


@pytest.mark.parametrize(
    "path", ["/admin", "/admin/v1/reload", "/admin/v1/cache/purge", "/admin/v1/nothing", "/admin/../admin/v1/reload"]
)
def test_everything_below_admin_needs_the_admin_key(start_mesh, path):
    """Whether it is there is nobody else's business."""
    mesh = start_mesh("--one-process").wait_ready()
    development = (mesh.data_dir / "development.key").read_text()
    for method in ("GET", "POST"):
        assert mesh.ask_admin(path, "", method)[0] == 401
        for key in (development, "x", "\xff", "sha256:" + "0" * 64):
            assert mesh.ask_admin(path, key, method)[0] == 403
    assert mesh.ask_admin("/admin/v1/nothing", method="POST")[0] == 404
    assert mesh.ask_admin("/admin/v1/reload", method="GET")[0] == 404


def test_a_new_admin_key_takes_the_place_of_the_old(start_mesh):
    mesh = start_mesh("--one-process").wait_ready()
    old = (mesh.data_dir / "admin.key").read_text()
    before = mesh.versions()
    (mesh.data_dir / "draft").write_text("another-admin-key-0123456789")
    (mesh.data_dir / "draft").replace(mesh.data_dir / "admin.key")
    wait_for_change(mesh, before)
    assert mesh.ask_admin("/admin/v1/reload", old)[0] == 403
    assert mesh.ask_admin("/admin/v1/reload")[0] == 200


def test_a_part_that_is_killed_during_a_reload_has_the_new_snapshot_when_it_is_back(start_mesh):
    mesh = start_mesh("--workers", "2").wait_ready()
    victim = mesh.pids()["edge-1"]
    os.kill(victim, signal.SIGKILL)
    mesh.configure("cache: {default_ttl: 7s}")
    status, said = mesh.ask_admin("/admin/v1/reload")
    assert (status, set(said["parts"].values())) == (200, {said["version"]})
    mesh.wait_until(lambda: mesh.readiness()["status"] == "ready", "ready again")
    assert mesh.versions() == {said["version"]}
    assert mesh.pids()["edge-1"] != victim


def test_a_part_that_hangs_is_named_and_nothing_changes(start_mesh, frozen):
    mesh = start_mesh("--patience", "0.5").wait_ready()
    before = mesh.versions()
    with frozen(mesh.pids()["audit"]):
        mesh.configure("cache: {default_ttl: 7s}")
        status, said = mesh.ask_admin("/admin/v1/reload")
    assert (status, said["error"]["type"], list(said["error"]["parts"])) == (504, "incomplete", ["audit"])
    assert {said["version"]} == before
    mesh.wait_until(lambda: mesh.ask_admin("/admin/v1/reload")[0] == 200, "it answers again")
    assert mesh.versions() != before


def test_every_end_has_a_status_and_says_all_that_it_knows():
    assert set(STATUSES) == set(Outcome) - {Outcome.CHANGED, Outcome.UNCHANGED}
    with pytest.raises(Exception) as raised:
        parse_settings("cache: {when: sometimes}")
    error = ReloadError(Outcome.INVALID, "no", problems=raised.value.problems, parts={"edge-0": "why"})
    (problem,) = describe_failure(error)["problems"]
    assert (problem["file"], problem["line"], problem["path"]) == (None, 1, "cache.when")
    assert describe_failure(error)["parts"] == {"edge-0": "why"}
