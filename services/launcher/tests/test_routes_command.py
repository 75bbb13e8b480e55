"""`runestone routes`: what is configured, and why a call would go where."""

import json

import pytest
from typer.testing import CliRunner

from launcher.cli import app

CONFIG = """
edge: {http: {port: 0}, admin: {port: 0}, websocket: {port: 0}, grpc: {port: 0}, drain: {grace: 2s}}
providers: [{name: p, kind: simulated}]
models:
  - name: fast
    targets: [{provider: p, model: m, weight: 9}, {provider: p, model: n, priority: 1}]
    strategy: sticky
    rules:
      - {when: 'request.depth > 3', use: slow}
      - {when: '"batch" in tags && endpoint == "/v1/messages"', use: slow}
    fallbacks: [slower]
  - name: slow
    experiment: {name: tempo, unit: user, arms: [{name: a, use: gone, weight: 0}, {name: b, use: slower}]}
  - {name: slower, targets: [{provider: p, model: m}]}
  - {name: gone, targets: [{provider: p, model: m}]}
"""
BATCH = ("--tag", "batch", "--endpoint", "messages")


@pytest.fixture(scope="module")
def mesh(lasting_mesh):
    return lasting_mesh(CONFIG, "--targets")


def run(mesh, *arguments: str, typed: str = ""):
    config = str(mesh.data_dir / "runestone.yaml")
    options = ["--data-dir", str(mesh.data_dir), "--config", config]
    return CliRunner(env={"COLUMNS": "140"}).invoke(app, ["routes", *arguments, *options], input=typed)


def explain(mesh, *arguments: str, typed: str = "") -> dict:
    result = run(mesh, "explain", *arguments, "--json", typed=typed)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_rules_and_experiments_are_told_step_by_step(mesh):
    told = explain(mesh, "fast", *BATCH, "--tenant", "acme", "--user", "ann")
    assert [(lead["of"], lead["rule"], lead["arm"], lead["use"]) for lead in told["leads"]] == [
        ("fast", 1, None, "slow"),
        ("slow", None, "b", "slower"),
    ]
    assert told["leads"][1]["unit"] == "user"
    assert (told["model"], told["route"], told["replica"]) == ("fast", "slower", "provider")
    first, second = told["targets"]
    assert (first["eligible"], first["why"]) == (True, 'acme 3 {"user":"ann"}')
    assert (second["route"], second["eligible"], second["why"]) == ("spare", False, "weight 0")


def test_a_rule_that_cannot_be_computed_is_told_of(mesh):
    told = explain(mesh, "fast")
    ((of, rule),) = [(failure["of"], failure["rule"]) for failure in told["failures"]]
    assert (of, rule, told["route"], told["leads"]) == ("fast", 0, "fast", [])


def test_a_body_is_what_rules_look_at(mesh, tmp_path):
    body = '{"depth": 4}'
    (file := tmp_path / "body.json").write_text(body)
    assert explain(mesh, "fast", "--body", str(file))["leads"][0]["rule"] == 0
    assert explain(mesh, "fast", "--body", "-", typed=body)["leads"][0]["rule"] == 0


def test_people_read_steps_and_a_table(mesh):
    said = run(mesh, "explain", "fast", *BATCH, "--tenant", "acme").stdout
    assert "fast, asked by acme at /v1/messages" in said
    assert 'rules[1] of fast ""batch" in tags && endpoint == "/v1/messages"" -> slow' in said
    assert "experiment tempo of slow: arm b, by key -> slower" in said
    assert "route slower, weighted, as provider sees it now:" in said
    assert "fallback spare: not asked: weight 0" in said


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nothing"], "runestone: no route answers for the model 'nothing'; `runestone routes list` shows all"),
        (["gone"], "runestone: provider: no route answers for the model 'gone' (MODEL_NOT_FOUND)"),
        (["fast", "--endpoint", "chats"], "runestone: there is no endpoint 'chats'; known are chat, responses, "),
        (["fast", "--body", "/nowhere"], "runestone: cannot read /nowhere: "),
        (["fast", "--body", "-"], "runestone: - is not a JSON object: "),
    ],
)
def test_what_cannot_be_explained_is_one_clear_line(mesh, arguments, complaint):
    result = run(mesh, "explain", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert complaint in result.stderr


def test_a_file_that_the_mesh_does_not_run_is_told_of(mesh, tmp_path):
    (other := tmp_path / "other.yaml").write_text(CONFIG.replace("priority: 1", "priority: 2"))
    options = ["--data-dir", str(mesh.data_dir), "--config", str(other), "--json"]
    result = CliRunner().invoke(app, ["routes", "explain", "slower", *options])
    assert json.loads(result.stdout)["route"] == "slower"
    assert result.stderr == f"{other}: not what the mesh runs now; rules and experiments are taken from it\n"
    assert run(mesh, "explain", "slower").stderr == ""


def test_another_replica_is_asked_where_the_first_is_not_there(start_mesh, data_dir, frozen):
    (data_dir / "runestone.yaml").write_text(f"{CONFIG}mesh: {{provider: {{replicas: 2}}}}\n")
    mesh = start_mesh("--targets").wait_ready()
    with frozen(mesh.pids()["provider-0"]):
        assert explain(mesh, "slower")["replica"] == "provider-1"


def test_without_a_mesh_nothing_is_explained(tmp_path):
    result = CliRunner().invoke(app, ["routes", "explain", "fast", "--data-dir", str(tmp_path)])
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.startswith("runestone: no mesh runs on ")


def test_each_model_is_listed_with_where_it_leads(mesh):
    said = [json.loads(line) for line in run(mesh, "list", "--json").stdout.splitlines()]
    assert [line["model"] for line in said][:4] == ["fast", "slow", "slower", "gone"]
    assert (said[0]["strategy"], said[0]["fallbacks"], len(said[0]["rules"])) == ("sticky", ["slower"], 2)
    assert [target["weight"] for target in said[0]["targets"]] == [9, 1]
    assert said[1]["experiment"]["arms"][1]["use"] == "slower"
    table = run(mesh, "list").stdout
    assert "p/n (weight 1, priority 1)" in table
    assert "tempo=b (weight 1) -> slower" in table
