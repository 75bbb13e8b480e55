"""The cache's commands and admin routes against a mesh of two fake replicas, of which the second may be gone.

Of everything that is to be forgotten the first has one answer and the second two.
"""

import json
import os
import signal

import pytest
from typer.testing import CliRunner

from launcher.cli import app

TWO = "edge: {http: {port: 0}, admin: {port: 0}, websocket: {port: 0}, grpc: {port: 0}, drain: {grace: 2s}}\nmesh: {cache: {replicas: 2}}\n"
KEY = "0f" * 32


@pytest.fixture(scope="module")
def both(lasting_mesh):
    return lasting_mesh(TWO)


@pytest.fixture
def mesh(both):
    """A mesh of two replicas that were told nothing yet."""
    (both.data_dir / "orders").unlink(missing_ok=True)
    return both


@pytest.fixture
def lame(start_mesh, data_dir, frozen):
    """A mesh whose second replica hangs."""
    (data_dir / "runestone.yaml").write_text(TWO)
    mesh = start_mesh().wait_ready()
    with frozen(mesh.pids()["cache-1"]):
        yield mesh


def run(mesh, *arguments: str, typed: str = ""):
    return CliRunner().invoke(app, ["cache", *arguments, "--data-dir", str(mesh.data_dir)], input=typed)


def orders(mesh) -> list[str]:
    """What the replicas were told."""
    path = mesh.data_dir / "orders"
    return path.read_text().splitlines() if path.exists() else []


def ask(mesh, path: str, body: object) -> tuple[int, dict]:
    return mesh.ask_admin(path, body=body if isinstance(body, bytes) else json.dumps(body).encode())


def test_statistics_are_those_of_all_replicas(mesh):
    said = json.loads(run(mesh, "stats", "--json").stdout)
    assert (said["entries"], said["max_entries"], said["hits"], said["hit_ratio"]) == (3, 20, 4, 0.75)
    assert {name: one["entries"] for name, one in said["replicas"].items()} == {"cache-0": 1, "cache-1": 2}
    assert mesh.ask_admin("/admin/v1/cache", method="GET") == (200, said)
    assert "memory, 2 replicas" in run(mesh, "stats").stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--tenant", "acme"], 'purge tenant: "acme"'),
        (["--model", "fast", "--tag", "batch"], 'purge model: "fast" tag: "batch"'),
        (["--key", KEY], f'purge key_prefix: "{chr(92)}017' + "\\017" * 31 + '"'),
        (["--prefix", "41"], 'purge key_prefix: "A"'),
        (["--all", "--yes"], "purge everything: true"),
        (["--all", "--tenant", "acme", "--yes"], 'purge tenant: "acme" everything: true'),
    ],
)
def test_every_replica_is_told_what_to_forget(mesh, options, told):
    result = run(mesh, "purge", *options)
    assert (result.exit_code, result.stdout) == (0, "purged 3 answers (cache-0 1, cache-1 2)\n")
    assert orders(mesh) == [told, told]


def test_a_script_reads_what_was_purged(mesh):
    said = json.loads(run(mesh, "purge", "--all", "--json").stdout)
    assert said == {"purged": 3, "replicas": {"cache-0": 1, "cache-1": 2}, "failures": {}}
    said = json.loads(run(mesh, "shred", "acme", "--json").stdout)
    assert (said["tenant"], said["purged"], said["key_destroyed"]) == ("acme", 3, True)


@pytest.mark.parametrize("arguments", [["purge", "--all"], ["shred", "acme"]])
def test_what_cannot_be_taken_back_is_asked_about_first(mesh, arguments):
    for typed in ("n\n", ""):
        result = run(mesh, *arguments, typed=typed)
        assert (result.exit_code, orders(mesh)) == (1, [])
    assert run(mesh, *arguments, typed="y\n").exit_code == 0
    assert len(orders(mesh)) == 2


@pytest.mark.parametrize(
    ("options", "code", "complaint"),
    [
        ([], 2, "say what"),
        (["--key", KEY, "--prefix", "0f"], 2, "not both"),
        (["--key", "0f"], 1, "runestone: a key has 64 hex digits, this has 2; for the beginning of one use --prefix"),
        (["--key", "x" * 64], 1, f"runestone: '{'x' * 64}' is no key"),
        (["--tenant", ""], 1, "runestone: Expected `str` of length >= 1 - at `tenant`"),
        (["--tag", "refused"], 1, "runestone: cache: no such tag can be (INVALID_REQUEST)"),
    ],
)
def test_what_selects_nothing_is_refused(mesh, options, code, complaint):
    result = run(mesh, "purge", *options)
    assert (result.exit_code, orders(mesh)) == (code, [])
    assert complaint in result.stderr


def test_a_replica_that_cannot_be_asked_is_named_and_fails_the_command(lame):
    """What the others forgot is said all the same."""
    for arguments in (["purge", "--tenant", "acme"], ["shred", "acme", "--yes"], ["stats"]):
        result = run(lame, *arguments)
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
        assert result.stderr.startswith("runestone: cache-1 could not be asked: ")
        assert result.stdout
    assert orders(lame) == ['purge tenant: "acme"', "shred acme"]


def test_the_admin_port_says_who_could_not_be_asked(lame):
    status, said = ask(lame, "/admin/v1/cache/purge", {"tenant": "acme"})
    assert (status, said["purged"], said["error"]["type"]) == (503, 1, "unavailable")
    assert list(said["error"]["parts"]) == ["cache-1"]
    status, said = lame.ask_admin("/admin/v1/cache", method="GET")
    assert (status, said["entries"], list(said["failures"])) == (200, 1, ["cache-1"])


def test_the_admin_port_has_nothing_to_say_of_a_cache_that_is_gone(start_mesh):
    mesh = start_mesh().wait_ready()
    pid = mesh.pids()["cache"]
    os.kill(pid, signal.SIGSTOP)
    try:
        status, said = mesh.ask_admin("/admin/v1/cache", method="GET")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (status, list(said["error"]["parts"])) == (503, ["cache"])


@pytest.mark.parametrize(
    ("path", "body", "answer", "told"),
    [
        ("purge", {"tenant": "acme", "tag": "batch"}, {"purged": 3}, 'purge tenant: "acme" tag: "batch"'),
        ("purge", {"everything": True}, {"purged": 3}, "purge everything: true"),
        ("shred", {"tenant": "acme"}, {"purged": 3, "key_destroyed": True}, "shred acme"),
    ],
)
def test_the_admin_port_makes_every_replica_forget(mesh, path, body, answer, told):
    assert ask(mesh, f"/admin/v1/cache/{path}", body) == (200, answer)
    assert orders(mesh) == [told, told]


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("purge", {}, "this says nothing"),
        ("purge", {"tenent": "acme"}, "unknown field `tenent`"),
        ("purge", {"key_prefix": "xyz"}, "'xyz' is no key"),
        ("purge", {"tag": "refused"}, "no such tag can be"),
        ("purge", b"{", "not valid JSON"),
        ("shred", {}, "missing required field `tenant`"),
    ],
)
def test_bad_input_is_a_400_that_says_what(mesh, path, body, complaint):
    status, said = ask(mesh, f"/admin/v1/cache/{path}", body)
    assert (status, said["error"]["type"], orders(mesh)) == (400, "invalid_request", [])
    assert complaint in said["error"]["message"]


def test_a_body_without_end_is_refused(mesh):
    status, said = ask(mesh, "/admin/v1/cache/purge", b" " * (2 << 20))
    assert (status, said["error"]["type"]) == (413, "invalid_request")
