"""`runestone providers`: what is configured, and who answers. No key is shown."""

import json
import socket
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from typer.testing import CliRunner

from chassis.config import parse_settings
from chassis.testing import free_port
from launcher.cli import app
from launcher.cli.provider_table import draw_answers, draw_providers
from launcher.provider_check import Outcome, ask_all

KEY = "sk-canary-0123456789"
CONFIG = f"""
providers:
  - {{name: mine, kind: openai, api_key: {KEY}}}
  - {{name: fast, kind: openai_compatible, preset: groq}}
  - {{name: gpu, kind: openai_compatible, base_url: "http://user:hunter2@gpu:1/v1?token=hunter3", dialects: [chat]}}
  - {{name: sim, kind: simulated}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The configuration of this folder, and nothing of the environment's."""
    monkeypatch.chdir(tmp_path)
    for name in ("RUNESTONE_CONFIG", "RUNESTONE_DATA_DIR", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (path := tmp_path / "runestone.yaml").write_text(CONFIG)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["providers", *arguments])


def test_each_provider_is_listed_with_what_is_known_of_it():
    mine, fast, gpu, sim = map(json.loads, run("list", "--json").stdout.splitlines())
    assert (mine["address"], mine["has_key"], mine["preset"]) == ("https://api.openai.com/v1", True, None)
    assert "responses" in mine["dialects"]
    assert (fast["preset"], fast["address"], fast["has_key"]) == ("groq", "https://api.groq.com/openai/v1", False)
    assert (gpu["address"], gpu["dialects"]) == ("http://gpu:1/v1", ["chat"])
    assert (sim["kind"], sim["address"]) == ("simulated", None)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_no_key_and_no_password_is_listed(options):
    result = run("list", *options)
    assert result.exit_code == 0
    assert "groq" in result.output
    assert not [secret for secret in (KEY, "hunter2", "hunter3") if secret in result.output]


def test_a_configuration_that_cannot_be_read_is_told_line_by_line(folder):
    folder.write_text("providers: [{name: a, kind: openai_compatible, preset: grok}]")
    result = run("list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "'grok' is not one of" in result.stderr


@asynccontextmanager
async def server(status=200):
    """A provider that answers with `status`; and what it was asked."""
    asked = []

    async def answer(request):
        asked.append((request.path, {name.lower(): value for name, value in request.headers.items()}))
        return web.Response(status=status, text=f"you sent {KEY}", headers={"location": "/elsewhere"})

    runner = web.AppRunner(web.Application(), shutdown_timeout=1)
    runner.app.router.add_get("/{path:.*}", answer)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


def providers(text):
    return parse_settings(f"providers: [{text}]").providers


async def test_a_provider_is_asked_for_its_models_with_its_key():
    async with server() as (url, asked):
        answers = await ask_all(
            providers(
                f"{{name: a, kind: openai_compatible, base_url: '{url}/v1/', api_key: {KEY}}},"
                f"{{name: b, kind: anthropic, base_url: '{url}', api_key: {KEY}}},"
                f"{{name: c, kind: openai, base_url: '{url}/v1'}}, {{name: d, kind: simulated}}"
            )
        )
    assert [(answer.name, answer.outcome) for answer in answers] == [(name, Outcome.OK) for name in "abcd"]
    by_auth = {path: headers for path, headers in asked if "authorization" in headers or "x-api-key" in headers}
    assert len(asked) == 3
    assert {path for path, _ in asked} == {"/v1/models"}
    assert all(KEY in str(headers) for headers in by_auth.values())


async def test_a_provider_with_several_keys_is_asked_with_each():
    async with server() as (url, asked):
        keys = f"api_key: {KEY}, api_keys: [{{name: east, key: {KEY}-east}}, {{name: west, key: {KEY}-west}}]"
        answers = await ask_all(providers(f"{{name: a, kind: openai, base_url: '{url}', {keys}}}"))
    assert [(answer.name, answer.key) for answer in answers] == [("a", "1"), ("a", "east"), ("a", "west")]
    sent = sorted(headers["authorization"] for _, headers in asked)
    assert sent == [f"Bearer {KEY}", f"Bearer {KEY}-east", f"Bearer {KEY}-west"]
    assert KEY not in repr(answers)


def test_the_names_of_several_keys_are_listed_and_told_beside_what_each_was_answered(folder):
    at = f"http://127.0.0.1:{free_port()}/v1"
    keys = f"api_keys: [{{name: east, key: {KEY}-1}}, {{name: west, key: {KEY}-2}}]"
    folder.write_text(f"providers: [{{name: a, kind: openai, base_url: '{at}', {keys}}}]")
    listed = run("list")
    assert "east, west" in listed.output
    assert json.loads(run("list", "--json").stdout)["keys"] == ["east", "west"]
    checked = run("check")
    assert checked.exit_code == 1
    assert all(name in checked.output for name in ("a (east)", "a (west)"))
    assert KEY not in listed.output + checked.output


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.OK),
        (404, Outcome.OK),
        (401, Outcome.REFUSED),
        (403, Outcome.REFUSED),
        (302, Outcome.FAILED),
        (429, Outcome.FAILED),
        (503, Outcome.FAILED),
    ],
)
async def test_what_a_provider_says_is_judged_by_its_status_and_not_shown(status, outcome):
    """It may quote the key; and nobody follows it elsewhere."""
    async with server(status) as (url, asked):
        (answer,) = await ask_all(providers(f"{{name: a, kind: openai, base_url: '{url}', api_key: {KEY}}}"))
    assert (answer.outcome, len(asked)) == (outcome, 1)
    assert str(status) in answer.detail
    assert KEY not in repr(answer)


async def test_a_provider_that_is_not_there_is_unreachable():
    (answer,) = await ask_all(providers(f"{{name: a, kind: openai, base_url: 'http://127.0.0.1:{free_port()}'}}"))
    assert answer.outcome is Outcome.UNREACHABLE


async def test_a_provider_that_says_nothing_is_a_timeout():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        (answer,) = await ask_all(providers(f"{{name: a, kind: openai, base_url: '{url}'}}"), patience=0.2)
    assert answer.outcome is Outcome.TIMEOUT
    assert answer.milliseconds > 0


async def test_a_key_that_http_does_not_allow_is_told_without_being_shown():
    async with server() as (url, asked):
        (answer,) = await ask_all(
            providers(f'{{name: a, kind: openai, base_url: "{url}", api_key: "{KEY}\\r\\nx: y"}}')
        )
    assert (answer.outcome, asked) == (Outcome.UNREACHABLE, [])
    assert KEY not in repr(answer)


def test_one_that_fails_is_exit_code_1(folder):
    folder.write_text(f"""
providers:
  - {{name: gone, kind: openai, base_url: "http://127.0.0.1:{free_port()}/v1", api_key: {KEY}}}
  - {{name: sim, kind: simulated}}
""")
    result = run("check", "--json")
    assert result.exit_code == 1
    outcomes = {line["name"]: line["outcome"] for line in map(json.loads, result.stdout.splitlines())}
    assert outcomes == {"gone": "unreachable", "sim": "ok"}
    assert KEY not in run("check").output


def test_all_well_is_exit_code_0(folder):
    folder.write_text("providers: [{name: sim, kind: simulated}]")
    assert run("check").exit_code == 0


def test_tables_show_names_as_they_are():
    """Markup in them means nothing."""
    from rich.console import Console

    from launcher.provider_check import Answer

    console = Console(width=200)
    with console.capture() as shown:
        console.print(draw_answers([Answer("[red]a", Outcome.OK, "[bold]", 1.25)]))
        console.print(
            draw_providers(
                [
                    {
                        "name": "[b]",
                        "kind": "k",
                        "preset": None,
                        "address": None,
                        "dialects": ("x",),
                        "has_key": True,
                        "keys": ["[k]", "m"],
                    }
                ]
            )
        )
    assert all(text in shown.get() for text in ("[red]a", "[bold]", "[b]", "[k], m"))
