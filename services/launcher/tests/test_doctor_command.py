"""What the doctor finds, and that it never shows what it must not."""

import itertools
import json
import socket
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from chassis.config import parse_settings
from chassis.testing import find_postgres, free_port, postgres_server, redis_server
from chassis.testing.postgres import PASSWORD
from launcher.cli import app
from launcher.diagnosis import (
    OWN_TOOLS,
    Verdict,
    check_certificates,
    check_credentials,
    check_data_dir,
    check_keys,
    check_ports,
    check_tools,
)
from launcher.keyfiles import ensure_key
from launcher.meshfile import HttpAddress, MeshFile, write_mesh_file
from launcher.reachability import check_collector, check_mesh, check_postgres, check_redis
from launcher.rundir import data_lock


def doors_on(*ports: int) -> list[tuple[str, int]]:
    return list(zip(("http", "websocket", "admin", "grpc"), ports, strict=True))


def free_ports() -> tuple[int, int, int, int]:
    return free_port(), free_port(), free_port(), free_port()


def mesh_on(*ports: int) -> MeshFile:
    here = {name: HttpAddress("127.0.0.1", port) for name, port in doors_on(*ports)}
    return MeshFile(pid=1, version="v", control="", services={}, started_at=0, **here)


def settings_on(*ports: int):
    doors = ", ".join(f"{name}: {{port: {port}}}" for name, port in doors_on(*ports))
    return parse_settings(f"edge: {{{doors}}}")


def test_a_port_that_somebody_else_has_is_a_failure():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken, free = other.getsockname()[1], free_port()
        for ports in itertools.permutations((taken, free, free_port(), free_port())):
            settings, ours = settings_on(*ports), mesh_on(*ports)
            found = {finding.name: finding.verdict for finding in check_ports(settings, None)}
            expected = {
                f"port {name}": Verdict.FAIL if port == taken else Verdict.OK for name, port in doors_on(*ports)
            }
            assert found == expected
            assert {finding.verdict for finding in check_ports(settings, ours)} == {Verdict.OK}


def test_a_grpc_door_that_there_is_not_needs_no_port():
    settings = parse_settings("edge: {grpc: {enabled: false}}")
    assert "port grpc" not in [found.name for found in check_ports(settings, None)]


def test_a_certificate_that_cannot_be_read_is_a_failure(tmp_path):
    there, gone = tmp_path / "there.pem", tmp_path / "gone.pem"
    there.write_text("")
    whole, half = f"{{cert: {there}, key: {there}}}", f"{{cert: {there}, key: {there}, ca: {gone}}}"
    found = list(check_certificates(parse_settings(f"edge: {{http: {{tls: {whole}}}, grpc: {{tls: {half}}}}}")))
    assert [(finding.name, finding.verdict) for finding in found] == [
        ("certificate http", Verdict.OK),
        ("certificate grpc", Verdict.FAIL),
    ]
    assert str(gone) in found[1].detail


def test_a_key_file_that_others_can_read_is_a_failure(tmp_path):
    key = ensure_key(path := tmp_path / "development.key")
    assert [found.verdict for found in check_data_dir(tmp_path)] == [Verdict.OK, Verdict.OK]
    path.chmod(0o644)
    *_, found = check_data_dir(tmp_path)
    assert (found.verdict, "chmod 600" in found.detail, key in found.detail) == (Verdict.FAIL, True, False)


def test_a_data_directory_that_is_not_there_yet_is_fine_where_it_can_be_made(tmp_path):
    (found,) = check_data_dir(tmp_path / "a" / "b")
    assert found.verdict is Verdict.OK
    assert not (tmp_path / "a").exists()


def test_a_provider_without_its_key_is_a_failure():
    settings = parse_settings("""
    providers:
      - {name: a, kind: openai}
      - {name: b, kind: anthropic, api_key: sk-canary}
      - {name: c, kind: simulated}
      - {name: d, kind: openai_compatible, preset: groq}
      - {name: e, kind: openai_compatible, preset: vllm}
    """)
    found = list(check_credentials(settings, {"GROQ_API_KEY": "sk-canary"}))
    assert [each.verdict for each in found] == [Verdict.FAIL, Verdict.OK, Verdict.OK, Verdict.FAIL, Verdict.OK]
    assert found[3].detail == "groq, without api_key; $GROQ_API_KEY is set"
    assert "sk-canary" not in repr(found)


def test_a_key_that_ends_within_a_week_is_a_warning():
    now = datetime(2026, 6, 1, tzinfo=UTC)
    keys = "".join(
        f"{{name: {name}, secret: {name * 16}, expires_at: {end}}}, "
        for name, end in (("a", "2026-06-07T23:59:59Z"), ("b", "2026-06-08T00:00:00Z"), ("c", "2026-05-31T00:00:00Z"))
    )
    settings = parse_settings(f"tenants: [{{name: acme, keys: [{keys} {{name: d, secret: {'d' * 16}}}]}}]")
    assert [(found.name, found.verdict, found.detail) for found in check_keys(settings, now)] == [
        ("key acme/a", Verdict.WARN, "expires 2026-06-07T23:59:59+00:00"),
        ("key acme/c", Verdict.WARN, "expired 2026-05-31T00:00:00+00:00"),
    ]


async def test_postgres_is_asked_and_its_password_not_shown():
    """Also where it is the password that is wrong."""
    try:
        find_postgres()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    with postgres_server(fsync="off") as server:
        assert (await check_postgres("audit", server.url())).verdict is Verdict.OK
        refused = await check_postgres("audit", server.url().replace(PASSWORD, "hunter2"))
    gone = await check_postgres("audit", server.url())
    slip = await check_postgres("audit", "postgresql://user:hun/ter2@h/d")
    for finding in (refused, gone, slip):
        assert finding.verdict is Verdict.FAIL
        assert "hunter2" not in finding.detail
        assert PASSWORD not in finding.detail
        assert "ter2" not in finding.detail


async def test_redis_is_asked_and_its_password_not_shown():
    async with redis_server() as url:
        assert (await check_redis("cache", url)).verdict is Verdict.OK
    gone = await check_redis("cache", f"redis://user:hunter2@127.0.0.1:{free_port()}/0")
    assert gone.verdict is Verdict.FAIL
    assert "hunter2" not in gone.detail


async def test_a_collector_that_is_not_there_is_a_warning():
    assert (await check_collector(f"http://127.0.0.1:{free_port()}")).verdict is Verdict.WARN


async def test_a_mesh_that_does_not_answer_is_a_failure():
    found = [finding async for finding in check_mesh(mesh_on(*free_ports()))]
    assert [each.verdict for each in found] == [Verdict.FAIL]


@pytest.fixture
def free_config(tmp_path, monkeypatch):
    """A folder whose configuration has free ports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RUNESTONE_CONFIG", raising=False)
    path = tmp_path / "runestone.yaml"
    ports = free_ports()
    path.write_text(
        "edge: {{http: {{port: {}}}, websocket: {{port: {}}}, admin: {{port: {}}}, grpc: {{port: {}}}}}".format(*ports)
    )
    return path


def doctor(*options: str) -> dict[str, dict]:
    shown = CliRunner().invoke(app, ["doctor", "--json", *options]).stdout
    return {line["name"]: line for line in map(json.loads, shown.splitlines())}


def test_a_running_mesh_is_looked_at_with_the_file_that_it_runs_with(free_config, data_dir):
    """Not with the one that happens to lie here, and not on the default ports."""
    (mine := data_dir / "mine.yaml").write_text(
        "edge: {http: {port: 4242}, websocket: {port: 4244}, admin: {port: 4243}, grpc: {port: 4245}}"
    )
    free_config.write_text("nonsense: 1")
    with data_lock(data_dir):
        write_mesh_file(data_dir, replace(mesh_on(4242, 4244, 4243, 4245), config=str(mine)))
        found = doctor("--data-dir", str(data_dir))
        assert found["configuration"] == {"name": "configuration", "verdict": "ok", "detail": str(mine)}
        assert found["port http"]["detail"] == "127.0.0.1:4242: used by the running mesh"
        named = doctor("--data-dir", str(data_dir), "--config", str(free_config))
        assert named["configuration"]["verdict"] == "fail"


def test_a_mesh_whose_file_is_gone_is_a_warning(free_config, data_dir):
    """It came through a pipe: only the mesh itself can be looked at."""
    with data_lock(data_dir):
        write_mesh_file(data_dir, replace(mesh_on(4242, 4244, 4243, 4245), config="/dev/fd/none"))
        found = doctor("--data-dir", str(data_dir))
    assert found["configuration"]["verdict"] == "warn"
    assert "port http" not in found


def test_uv_is_found_from_any_folder(tmp_path, monkeypatch):
    """`make` puts it beside the environment, wherever the user stands."""
    tool = tmp_path / "tools/uv"
    tool.parent.mkdir()
    tool.touch(mode=0o700)
    monkeypatch.setattr("launcher.diagnosis.OWN_TOOLS", tool.parent)
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir("/")
    assert {found.name: found.verdict for found in check_tools()}["uv"] is Verdict.OK
    assert OWN_TOOLS.is_absolute()


def test_warnings_are_not_failures(free_config):
    result = CliRunner().invoke(app, ["doctor", "--json"])
    found = {line["name"]: line["verdict"] for line in map(json.loads, result.stdout.splitlines())}
    assert (found["mesh"], found["configuration"], result.exit_code) == ("warn", "ok", 0)


def test_a_failure_is_exit_code_1(free_config):
    free_config.write_text("nonsense: 1")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "fail" in result.stdout
    assert "1 problem;" in result.stdout.replace("\n", " ")


def test_each_part_of_a_running_mesh_is_listed(start_mesh, free_config):
    mesh = start_mesh().wait_ready()
    result = CliRunner().invoke(app, ["doctor", "--json", "--data-dir", str(mesh.data_dir)])
    found = {line["name"]: line["verdict"] for line in map(json.loads, result.stdout.splitlines())}
    assert {found[name] for name in ("mesh", "cache", "audit", "edge-0")} == {"ok"}
