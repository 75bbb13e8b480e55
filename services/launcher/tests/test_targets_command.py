"""What `runestone targets` and the admin port show of a provider-svc of two replicas, of which the second may be gone."""

import json

import pytest
from typer.testing import CliRunner

from launcher.cli import app
from launcher.cli.target_table import spell_seconds
from launcher.meshfile import MeshFile
from launcher.reachability import check_targets

TWO = "edge: {http: {port: 0}, admin: {port: 0}, websocket: {port: 0}, grpc: {port: 0}, drain: {grace: 2s}}\nmesh: {provider: {replicas: 2}}\n"


@pytest.fixture(scope="module")
def mesh(lasting_mesh):
    return lasting_mesh(TWO, "--targets")


@pytest.fixture
def lame(start_mesh, data_dir, frozen):
    """A mesh whose second replica hangs."""
    (data_dir / "runestone.yaml").write_text(TWO)
    mesh = start_mesh("--targets").wait_ready()
    with frozen(mesh.pids()["provider-1"]):
        yield mesh


def run(mesh, *arguments: str):
    return CliRunner(env={"COLUMNS": "140"}).invoke(app, ["targets", *arguments, "--data-dir", str(mesh.data_dir)])


def lines(mesh, *arguments: str) -> list[dict]:
    return [json.loads(line) for line in run(mesh, *arguments, "--json").stdout.splitlines()]


def test_each_replica_speaks_for_itself(mesh):
    well, ill = lines(mesh)
    assert well == {
        "replica": "provider-0",
        "provider": "p",
        "model": "m",
        "routes": ["fast"],
        "state": "CLOSED",
        "retry_after": None,
        "running": 1,
        "recent_calls": 0,
        "recent_failures": 0,
        "first_byte": 0.34,
        "first_byte_p95": None,
        "last_failure": None,
    }
    assert (ill["replica"], ill["state"], ill["retry_after"], ill["running"]) == ("provider-1", "OPEN", 2.0, 2)
    assert (ill["last_failure"], ill["recent_failures"], ill["recent_calls"]) == ("PROVIDER_TIMEOUT", 3, 4)


def test_people_read_a_table(mesh):
    head, well, ill = run(mesh).stdout.splitlines()
    assert [title in head for title in ("target", "state", "in flight", "first byte", "replica")] == [True] * 5
    assert well.split() == ["p/m", "closed", "1", "340", "ms", "-", "-", "-", "-", "provider-0"]
    assert ill.split()[:2] == ["p/m", "open"]
    assert "3 of 4  timeout" in ill


def test_keys_and_connections_have_tables_of_their_own(mesh):
    key, _ = lines(mesh, "--keys")
    assert key == {
        "replica": "provider-0",
        "provider": "p",
        "key": "first",
        "running": 1,
        "limit": 4,
        "waiting": 2,
        "paused": 5.0,
    }
    first, second = lines(mesh, "--connections")
    assert (first["provider"], first["connections"]) == ("p", {"idle": 1, "open": 0})
    assert second["connections"] == {"idle": 1, "open": 1}
    assert "1 of 4" in run(mesh, "--keys").stdout
    assert "idle" in run(mesh, "--connections").stdout
    assert run(mesh, "--keys", "--connections").exit_code == 2


def test_the_admin_port_says_the_same(mesh):
    status, said = mesh.ask_admin("/admin/v1/targets", method="GET")
    assert (status, said["targets"], said["failures"]) == (200, lines(mesh), {})
    assert (said["keys"], said["connections"]) == (lines(mesh, "--keys"), lines(mesh, "--connections"))
    assert mesh.ask_admin("/admin/v1/targets", key="", method="GET")[0] == 401


def test_a_replica_that_cannot_be_asked_is_named_and_fails_the_command(lame):
    """What the other knows is shown all the same."""
    result = run(lame, "--json")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.startswith("runestone: provider-1 could not be asked: ")
    assert json.loads(result.stdout)["replica"] == "provider-0"
    status, said = lame.ask_admin("/admin/v1/targets", method="GET")
    assert (status, list(said["failures"])) == (200, ["provider-1"])


def test_a_mesh_that_does_not_run_is_one_clear_line(tmp_path):
    result = CliRunner().invoke(app, ["targets", "--data-dir", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("runestone: no mesh runs on ")
    assert len(result.stderr.splitlines()) == 1


def test_a_mesh_without_the_service_says_so(start_mesh):
    mesh = start_mesh().wait_ready()
    result = run(mesh)
    assert (result.exit_code, result.stderr) == (
        1,
        "runestone: provider could not be asked: is no service of this mesh\n",
    )
    assert mesh.ask_admin("/admin/v1/targets", method="GET")[0] == 503


async def test_the_doctor_warns_of_targets_that_are_left_alone(mesh):
    facts = MeshFile(**{**mesh.facts, "http": None, "admin": None})
    (found,) = [finding async for finding in check_targets(facts)]
    assert (found.name, found.verdict) == ("target p/m", "warn")
    assert found.detail == "open on provider-1: PROVIDER_TIMEOUT, tried again in 2.0 s"


@pytest.mark.parametrize(("seconds", "spelt"), [(None, "-"), (0.0004, "0 ms"), (0.34, "340 ms"), (2.0, "2.0 s")])
def test_times_are_short(seconds, spelt):
    assert spell_seconds(seconds) == spelt
