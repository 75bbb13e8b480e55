"""`runestone keys`: secrets are shown once, only hashes are kept, and nothing but a keys file is ever written."""

import json
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chassis.keys import hash_key, is_mistyped
from gateway_edge.callers.tenants import Authority, Principal
from launcher.cli import app
from launcher.configuration import list_files, load
from launcher.keyfiles import ensure_key
from launcher.meshfile import HttpAddress, MeshFile, write_mesh_file
from launcher.rundir import data_lock

CONFIG = """
edge: {key_pepper: a-pepper-of-some-length}
tenants:
  - {name: acme, keys: [{name: ci, secret: a-secret-of-enough-length}]}
  - {name: other}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("RUNESTONE_CONFIG", "RUNESTONE_DATA_DIR", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "runestone.yaml").write_text(CONFIG)
    return tmp_path


def keys(*arguments: str):
    return CliRunner().invoke(app, ["keys", *arguments])


def made(*arguments: str) -> dict:
    result = keys(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refused(*arguments: str) -> str:
    result = keys(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr


def found(secret: str) -> Principal | None:
    """Who calls with `secret`, for a gateway that starts now."""
    return Authority.of(load(Path("runestone.yaml").read_text(), Path(".runestone"), {}).settings).find(secret)


FILE = Path(".runestone/keys/acme.yaml")


def test_a_made_key_joins_and_does_what_was_said():
    rooms = ("--rooms", "lobby", "--rooms", "team-*", "--room-actions", "listen")
    made("create", "--tenant", "acme", "--name", "screen", *rooms)
    held = next(json.loads(line) for line in keys("list", "--json").stdout.splitlines() if '"screen"' in line)
    assert (held["rooms"], held["room_actions"]) == (["lobby", "team-*"], ["listen"])


def test_what_cannot_be_done_in_a_room_is_refused_with_what_can():
    said = refused("create", "--tenant", "acme", "--name", "screen", "--room-actions", "talk")
    assert "Invalid enum value 'talk'; known here: listen, speak, control" in said


def test_a_made_key_is_the_tenants_and_its_secret_stands_nowhere(folder):
    before = Path("runestone.yaml").read_bytes()
    result = keys("create", "--tenant", "acme", "--name", "app")
    secret = result.stdout.strip()
    assert result.exit_code == 0
    assert not is_mistyped(secret)
    assert (found(secret).tenant, found(secret).key) == ("acme", "app")
    assert not any(secret.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert secret not in result.stderr
    assert hash_key(secret, "a-pepper-of-some-length") in FILE.read_text()
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o600
    assert Path("runestone.yaml").read_bytes() == before


def test_what_is_said_of_a_key_holds(folder):
    said = made(
        *("create", "--tenant", "acme", "--name", "app", "--expires", "30d", "--models", "gpt-4*", "--models", "o1"),
        *("--endpoints", "/v1/chat/completions", "--addresses", "10.0.0.0/8", "--pipelines", "streaming"),
        *("--pipeline", "cached", "--requests-per-minute", "7", "--metadata", "team=platform=x"),
    )
    who = found(said["secret"])
    assert who.scope.allows_model("gpt-4o")
    assert not who.scope.allows_model("claude")
    assert who.scope.endpoints == {"/v1/chat/completions"}
    assert [limit.rate.quantity for limit in who.limits] == [7]
    assert (who.key_pipeline, who.choosable, who.metadata) == ("cached", {"streaming"}, {"team": "platform=x"})
    end = datetime.fromisoformat(said["expires_at"])
    assert who.scope.valid_until == end.timestamp()
    assert timedelta(days=29) < end - datetime.now(UTC) <= timedelta(days=30)
    (listed,) = map(json.loads, keys("list", "--tenant", "acme", "--json").stdout.splitlines()[1:])
    assert (listed["name"], listed["models"], listed["addresses"]) == ("app", ["gpt-4*", "o1"], ["10.0.0.0/8"])


def test_rotation_leaves_both_secrets_good_for_the_grace_time_and_no_third(folder):
    first = made("create", "--tenant", "acme", "--name", "app", "--models", "o1")["secret"]
    said = made("rotate", "--tenant", "acme", "--name", "app", "--grace", "1h")
    second, until = said["secret"], datetime.fromisoformat(said["previous_until"])
    assert found(first).scope.valid_until == until.timestamp()
    assert found(first).key == found(second).key == "app"
    assert not found(second).scope.allows_model("claude")
    third = made("rotate", "--tenant", "acme", "--name", "app")["secret"]
    assert found(first) is None
    assert found(second) is not None
    assert found(third) is not None


def test_rotation_without_grace_ends_the_secret_before(folder):
    first = made("create", "--tenant", "acme", "--name", "app")["secret"]
    assert made("rotate", "--tenant", "acme", "--name", "app", "--grace", "0s")["previous_until"] is None
    assert found(first) is None


def test_a_revoked_key_is_nobodys_with_all_its_secrets(folder):
    first = made("create", "--tenant", "acme", "--name", "app")["secret"]
    second = made("rotate", "--tenant", "acme", "--name", "app")["secret"]
    kept = made("create", "--tenant", "acme", "--name", "kept")["secret"]
    made("revoke", "--tenant", "acme", "--name", "app")
    assert found(first) is None
    assert found(second) is None
    assert found(kept).key == "kept"


def test_the_list_has_every_key_and_no_secret_and_no_hash(folder):
    made("create", "--tenant", "acme", "--name", "app")
    made("rotate", "--tenant", "acme", "--name", "app")
    result = keys("list", "--json")
    listed = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(key["tenant"], key["name"], key["state"], key["file"]) for key in listed] == [
        ("acme", "ci", "active", None),
        ("acme", "app", "rotating", str(FILE)),
    ]
    for output in (result.stdout, keys("list").stdout):
        assert "sha256:" not in output
        assert "a-secret-of-enough-length" not in output


def test_an_expired_key_is_listed_as_such(folder):
    made("create", "--tenant", "other", "--name", "app")
    path = Path(".runestone/keys/other.yaml")
    values = json.loads(path.read_text())
    values["keys"][0]["expires_at"] = "2020-01-01T00:00:00Z"
    path.write_text(json.dumps(values))
    assert json.loads(keys("list", "--tenant", "other", "--json").stdout)["state"] == "expired"


def test_a_secret_may_go_to_a_file_of_its_own_and_never_over_another(folder):
    result = keys("create", "--tenant", "acme", "--name", "app", "--out", "app.key")
    secret = Path("app.key").read_text()
    assert found(secret).key == "app"
    assert secret not in result.output
    assert stat.S_IMODE(Path("app.key").stat().st_mode) == 0o600
    before = FILE.read_bytes()
    assert "cannot write app.key: File exists" in refused(
        "create", "--name", "b", "--tenant", "acme", "--out", "app.key"
    )
    assert FILE.read_bytes() == before


def test_what_is_not_kept_leaves_no_secret_behind(folder):
    refused("create", "--tenant", "acme", "--name", "app", "--endpoints", "/nowhere", "--out", "app.key")
    assert not Path("app.key").exists()
    assert not FILE.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "--name", "x"], "say --tenant; known: acme, other"),
        (["create", "--tenant", "nobody", "--name", "x"], "there is no tenant 'nobody' in runestone.yaml; known: acme, other"),
        (["create", "--tenant", "acme", "--name", "ci"], "acme has a key 'ci' already"),
        (["create", "--tenant", "acme", "--name", "a b"], "keys/acme.yaml: line 2: keys[0].name: Expected `str` matching"),
        (["create", "--tenant", "acme", "--name", "x", "--endpoints", "/x"], "keys[0].scopes.endpoints[0]: '/x' is no endpoint"),
        (["create", "--tenant", "acme", "--name", "x", "--pipeline", "no"], "keys[0].pipeline: there is no pipeline 'no'"),
        (["create", "--tenant", "acme", "--name", "x", "--expires", "soon"], "'soon' is neither a time"),
        (["create", "--tenant", "acme", "--name", "x", "--expires", "2027"], "'2027' is neither a time"),
        (["create", "--tenant", "acme", "--name", "x", "--expires", "2020-01-01T00:00:00Z"], "is over already"),
        (["create", "--tenant", "acme", "--name", "x", "--expires", "2099-01-01T00:00:00"], "names no zone"),
        (["create", "--tenant", "acme", "--name", "x", "--metadata", "x"], "'x' is not NAME=VALUE"),
        (["rotate", "--tenant", "acme", "--name", "x", "--grace", "long"], "'long' is no duration (24h)"),
        (["rotate", "--tenant", "acme", "--name", "x"], "there is no key 'x' in the keys file of acme"),
        (["rotate", "--tenant", "acme", "--name", "ci"], "does not stand in its keys file; give it another secret in runestone.yaml"),
        (["revoke", "--tenant", "acme", "--name", "ci"], "does not stand in its keys file; remove it in runestone.yaml"),
        (["revoke", "--tenant", "acme", "--name", "x"], "there is no key 'x' in the keys file of acme"),
        (["list", "--tenant", "nobody"], "there is no tenant 'nobody'"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_clear_line_and_changes_nothing(folder, arguments, message):
    assert message in refused(*arguments)
    assert not FILE.exists()


def test_a_file_that_is_read_only_is_said_to_be_and_stays_as_it_is(folder):
    """To root, too, who could write it."""
    made("create", "--tenant", "acme", "--name", "app")
    for place, mode in ((FILE, 0o400), (FILE.parent, 0o500)):
        usual = place.stat().st_mode
        place.chmod(mode)
        before = FILE.read_bytes()
        assert f"{place.resolve()} is read-only" in refused("create", "--tenant", "acme", "--name", "b")
        assert FILE.read_bytes() == before
        place.chmod(usual)


def test_a_broken_file_is_never_written_over(folder):
    FILE.parent.mkdir(parents=True)
    FILE.write_text("tenant: acme\nkeys: [")
    assert "keys/acme.yaml: line 2: not YAML" in refused("create", "--tenant", "acme", "--name", "b")
    assert FILE.read_text() == "tenant: acme\nkeys: ["


def test_a_file_that_somebody_wrote_by_hand_keeps_what_it_says(folder):
    FILE.parent.mkdir(parents=True)
    digest = hash_key("some-secret-of-mine", "a-pepper-of-some-length")
    FILE.write_text(f"tenant: acme\nkeys:\n- name: mine\n  hash: {digest}\n  expires_at: 2099-01-01T00:00:00+02:00\n  limits: {{per: [{{models: [o1], requests_per_minute: 3}}]}}\n")  # fmt: skip
    made("create", "--tenant", "acme", "--name", "b")
    made("rotate", "--tenant", "acme", "--name", "mine")
    who = found("some-secret-of-mine")
    assert [limit.rate.quantity for limit in who.limits_for("/v1/chat/completions", "o1")] == [3]


def test_a_link_is_followed_and_stays(folder):
    (folder / "elsewhere").mkdir()
    FILE.parent.mkdir(parents=True)
    FILE.symlink_to(folder / "elsewhere/acme.yaml")
    secret = made("create", "--tenant", "acme", "--name", "app")["secret"]
    assert FILE.is_symlink()
    assert found(secret).key == "app"


def test_a_named_keys_file_is_the_one_that_is_written(folder):
    Path("runestone.yaml").write_text("tenants: [{name: acme, keys_file: mine/k.yaml}]")
    secret = made("create", "--name", "app")["secret"]
    assert json.loads(Path("mine/k.yaml").read_text())["tenant"] == "acme"
    assert found(secret).key == "app"
    assert list_files(Path("runestone.yaml").read_text(), Path("d")) == [Path("mine/k.yaml")]


def test_the_tenant_of_a_first_start_takes_keys_like_any_other(folder):
    Path("runestone.yaml").write_text("")
    assert "name one, or start the gateway once" in refused("create", "--name", "app")
    Path(".runestone").mkdir()
    ensure_key(Path(".runestone/development.key"))
    secret = made("create", "--name", "app")["secret"]
    assert (found(secret).tenant, found(secret).key) == ("development", "app")
    assert found(Path(".runestone/development.key").read_text()).key == "development"
    assert list_files("", Path(".runestone")) == [Path(".runestone/keys/development.yaml")]


@pytest.mark.parametrize(("config", "known"), [("mine.yaml", "mine"), (None, "none")])
def test_a_running_mesh_is_meant_with_the_file_that_it_runs_with(folder, config, known):
    """Not with the one that happens to lie here."""
    Path("mine.yaml").write_text("tenants: [{name: mine}]")
    here = HttpAddress("127.0.0.1", 1)
    mesh = MeshFile(pid=1, version="v", control="", http=here, admin=here, services={}, started_at=0, config=config)
    with data_lock(Path(".runestone")):
        write_mesh_file(Path(".runestone"), mesh)
        assert f"known: {known}" in refused("create", "--tenant", "acme", "--name", "x")
        assert made("create", "--tenant", "acme", "--name", "x", "--config", "runestone.yaml")["tenant"] == "acme"


def test_commands_at_the_same_time_lose_nothing(folder):
    def create(number: int) -> int:
        command = [sys.executable, "-m", "launcher", "keys", "create", "--tenant", "acme", "--name", f"k{number}"]
        return subprocess.run(command, capture_output=True, timeout=50, check=False).returncode

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(create, range(8))) == {0}
    names = {key["name"] for key in json.loads(FILE.read_text())["keys"]}
    assert names == {f"k{number}" for number in range(8)}
    assert [path.name for path in FILE.parent.iterdir()] == ["acme.yaml"]
