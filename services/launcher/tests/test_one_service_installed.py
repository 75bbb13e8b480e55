"""An installation with one service, as an image is: what it has works, what it has not is said in one line."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from chassis.testing import free_port
from launcher.health import ask_health
from launcher.topology import TOPOLOGY

MODULES = {node.name: node.module for node in TOPOLOGY}
CONFIG = """\
edge: {{http: {{port: {http}}}, admin: {{port: {admin}}}, websocket: {{port: {websocket}}}, grpc: {{enabled: false}}}}
mesh: {{{service}: {{listen: "127.0.0.1:{grpc}"}}}}
tenants: [{{name: acme, keys: [{{name: ci, secret: secret-of-sixteen-characters}}]}}]
"""
# Each service's sources are a folder of sys.path: without it the service is not installed.
START = """\
import sys
from pathlib import Path
sys.path[:] = [path for path in sys.path if not any((Path(path) / one).is_dir() for one in {absent})]
from launcher.cli import main
main()
"""


def command_with(service: str, *arguments: str) -> list[str]:
    absent = [module for name, module in MODULES.items() if name != service]
    return [sys.executable, "-c", START.format(absent=absent), *arguments]


def run_with(service: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_with(service, *arguments), capture_output=True, text=True, check=False, cwd=cwd, timeout=30
    )


def wait_until_healthy(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while not ask_health(address, timeout=1).is_serving:
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end, f"{address} does not serve"
        time.sleep(0.1)


def test_each_service_is_an_extra_of_the_launcher():
    distribution = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert distribution["project"]["optional-dependencies"].keys() == {*MODULES, "all"}


@pytest.mark.parametrize("service", MODULES)
def test_each_service_serves_and_stops_without_the_others(service, tmp_path):
    ports = {name: free_port() for name in ("http", "admin", "websocket", "grpc")}
    section = "cache" if service == "edge" else service
    config = tmp_path / "runestone.yaml"
    config.write_text(CONFIG.format(service=section, **ports))
    arguments = ("serve", service, "--config", str(config), "--data-dir", str(tmp_path / "data"))
    is_edge = service == "edge"
    address = f"http://127.0.0.1:{ports['admin']}/health/liveness" if is_edge else f"127.0.0.1:{ports['grpc']}"
    with subprocess.Popen(command_with(service, *arguments), stdout=subprocess.DEVNULL) as process:
        try:
            wait_until_healthy(address, process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("arguments", [("--help",), ("serve", "--help"), ("health", "--help"), ("config", "show")])
def test_help_and_the_configuration_need_no_service(arguments, tmp_path):
    assert run_with("cache", *arguments, cwd=tmp_path).returncode == 0


def test_keys_can_be_made_in_any_image(tmp_path):
    (tmp_path / "runestone.yaml").write_text("tenants: [{name: acme}]")
    made = run_with("audit", "keys", "create", "--tenant", "acme", "--name", "ci", "--json", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert json.loads(made.stdout)["tenant"] == "acme"


def test_another_service_is_refused_in_one_line(tmp_path):
    refused = run_with("cache", "serve", "audit", cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (
        1,
        "runestone: not installed here: audit; it comes with runestone-launcher[audit]\n",
    )


def test_a_mesh_is_refused_in_one_line(tmp_path):
    refused = run_with("cache", "up", cwd=tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "not installed here: audit, edge, provider, ratelimit" in refused.stderr
