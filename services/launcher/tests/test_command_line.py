"""The `runestone` command as its user has it: output, exit codes, and never a traceback or a secret."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from launcher.cli import app
from launcher.rundir import data_lock

BROKEN = """\
edge: {http: {port: many}}
cache:
  stor: memory
tenants: [{name: acme, keys: [{name: ci}]}]
"""
WITH_SECRETS = """\
cache: {store: "redis://user:hunter2@127.0.0.1:1/0"}
providers: [{name: openai, kind: openai, api_key: sk-very-secret-indeed}]
tenants: [{name: acme, keys: [{name: ci, secret: canary-secret-0123456789}]}]
"""
REFERRING = """\
models: [{name: fast, targets: [{provider: local, model: m}]}]
providers:
- name: local
  kind: openai_compatible
  base_url: "http://${FILE:secrets/url}:literal@127.0.0.1:1/v1?token=${CANARY}"
  api_key: "literal-${CANARY}"
cache: {store: "redis://user:literal@${CANARY}:1/0"}
tenants:
- name: acme
  metadata: {team: "the ${CANARY} team", floor: first}
  keys: [{name: ci, secret: canary-secret-0123456789, metadata: {team: "${ CANARY }"}}]
"""


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """No configuration but the test's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("RUNESTONE_CONFIG", "RUNESTONE_DATA_DIR", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_every_command_is_listed():
    shown = run("--help").output
    assert all(name in shown for name in ("up", "serve", "chat", "config", "doctor", "audit", "cache", "providers"))


def test_help_says_which_settings_stand_for_an_option():
    """Square brackets are no markup."""
    shown = run("serve", "--help").output
    assert "[mesh.<service>.listen]" in shown
    assert "[mesh.<name>.endpoints]" in shown


def test_the_version_is_the_distributions():
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"runestone {version('runestone-launcher')}\n")


def test_help_does_not_load_what_commands_need():
    """A user who asks for help does not wait for gRPC and aiohttp."""
    heavy = ("grpc", "aiohttp", "redis", "prometheus_client")
    code = f"import sys, launcher.cli; sys.exit(' '.join(m for m in {heavy} if m in sys.modules) or None)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_check_says_every_problem_with_its_line_and_path(tmp_path):
    (tmp_path / "runestone.yaml").write_text(BROKEN)
    result = run("config", "check")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0].startswith("runestone.yaml: line 1: edge.http.port: Expected `int`")
    assert lines[1].startswith("runestone.yaml: line 3: cache.stor: unknown key")
    assert all(line.startswith("runestone.yaml: line ") for line in lines)


def test_check_in_json_is_one_object(tmp_path):
    (tmp_path / "bad.yaml").write_text(BROKEN)
    result = run("config", "check", "bad.yaml", "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert (said["ok"], said["problems"][0]["line"], said["problems"][0]["path"]) == (False, 1, "edge.http.port")


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_show_hides_every_secret(tmp_path, as_json):
    (tmp_path / "runestone.yaml").write_text(WITH_SECRETS)
    result = run("config", "show", *as_json)
    assert result.exit_code == 0
    assert "redis://***@127.0.0.1:1/0" in result.stdout
    for secret in ("hunter2", "sk-very-secret-indeed", "canary-secret-0123456789"):
        assert secret not in result.output


def test_show_has_references_as_they_are_written(tmp_path, monkeypatch):
    """Whatever came from the environment or from another file may be secret, wherever it stands; secrets stay hidden."""
    monkeypatch.setenv("CANARY", "canary")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "url").write_text("canary")
    (tmp_path / "runestone.yaml").write_text(REFERRING)
    result = run("config", "show", "--json")
    assert "canary" not in result.output and "literal" not in result.output
    shown = json.loads(result.stdout)
    (tenant,), (provider,) = shown["tenants"], shown["providers"]
    assert tenant["metadata"] == {"team": "the ${CANARY} team", "floor": "first"}
    assert tenant["keys"][0]["metadata"] == {"team": "${ CANARY }"}
    assert provider["base_url"] == "http://***@127.0.0.1:1/v1?token=${CANARY}"
    assert (provider["api_key"], shown["cache"]["store"]) == ("***", "redis://***@${CANARY}:1/0")


def test_show_has_the_defaults_of_a_first_start():
    shown = json.loads(run("config", "show", "--json").stdout)
    assert shown["models"][0]["name"] == "simulated"
    assert shown["edge"]["http"]["port"] == 4003


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["config", "show", "--config", "none.yaml"], "runestone: there is no configuration file none.yaml"),
        (["cache", "stats"], "runestone: no mesh runs on .runestone"),
        (["audit", "search", "--json"], "runestone: no mesh runs on .runestone"),
        (["audit", "search", "--since", "soon"], "runestone: 'soon' is neither a time"),
        (["chat", "hello"], "runestone: no mesh runs on .runestone"),
    ],
)
def test_an_expected_error_is_one_line_on_stderr_and_exit_code_1(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(message)
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize("command", [["up"], ["serve", "cache"]])
def test_a_broken_file_starts_nothing(tmp_path, command):
    (tmp_path / "runestone.yaml").write_text(BROKEN)
    result = run(*command)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0].startswith("runestone: runestone.yaml: line 1: edge.http.port")
    assert not (tmp_path / ".runestone").exists()


def test_a_refused_start_writes_nothing_where_another_mesh_runs(tmp_path):
    with data_lock(tmp_path):
        result = run("up", "--data-dir", str(tmp_path))
        assert (result.exit_code, result.stderr.split(";")[0]) == (1, f"runestone: another mesh runs on {tmp_path}")
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize(
    "arguments", [["up", "--nope"], ["serve", "ghost"], ["nothing"], ["audit", "search", "--limit", "x"]]
)
def test_wrong_usage_is_exit_code_2(arguments):
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("service", "told"),
    [
        (
            "ratelimit",
            "line 1: mesh.ratelimit.replicas: several replicas cannot share the store 'memory'; set ratelimit",
        ),
        ("audit", "line 2: mesh.audit.replicas: several replicas cannot share the store 'sqlite'; set audit.store to"),
    ],
)
def test_a_service_on_its_own_that_has_equals_and_shares_nothing_does_not_start(tmp_path, service, told):
    """The line says which setting, and what would do."""
    config = tmp_path / "runestone.yaml"
    config.write_text(
        "mesh: {ratelimit: {listen: 0.0.0.0, endpoints: [limits.mesh], replicas: 2},\n"
        "       audit: {listen: 0.0.0.0, endpoints: [audit.mesh], replicas: 3}}\n"
    )
    result = run("serve", service, "--config", str(config), "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert told in " ".join(result.output.split())
