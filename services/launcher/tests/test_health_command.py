"""`runestone health`: the exit code that a container engine obeys, over gRPC and over HTTP."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer
from typer.testing import CliRunner

from chassis.testing import free_port
from launcher.cli import app

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def ask(*arguments: str):
    return CliRunner().invoke(app, ["health", *arguments])


@contextmanager
def health_server(address: str) -> Iterator[HealthServicer]:
    servicer, server = HealthServicer(), grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(address)
    server.start()
    try:
        yield servicer
    finally:
        server.stop(None).wait(5)


@contextmanager
def readiness_page(code: int, paths: list[str]) -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_):
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(5)


@pytest.fixture(params=["unix", "tcp"])
def address(request, tmp_path) -> str:
    return f"unix:{tmp_path}/h.sock" if request.param == "unix" else f"127.0.0.1:{free_port()}"


def test_a_process_that_takes_calls_is_exit_code_0(address):
    with health_server(address):
        result = ask(address)
    assert (result.exit_code, result.stdout) == (0, f"{address}: SERVING\n")


def test_a_process_that_takes_none_is_exit_code_1(address):
    with health_server(address) as servicer:
        servicer.set("", NOT_SERVING)
        result = ask(address)
    assert (result.exit_code, result.stdout) == (1, f"{address}: NOT_SERVING\n")


def test_one_service_of_a_process_can_be_asked_for(address):
    with health_server(address) as servicer:
        servicer.set("", NOT_SERVING)
        servicer.set("runestone.cache.v1.CacheService", SERVING)
        assert ask(address, "--service", "runestone.cache.v1.CacheService").exit_code == 0
        unknown = ask(address, "--service", "nobody")
    assert (unknown.exit_code, "NOT_FOUND" in unknown.stdout) == (1, True)


def test_nobody_there_is_exit_code_1_within_the_deadline():
    result = ask(f"127.0.0.1:{free_port()}", "--timeout", "2", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["status"], found["serving"]) == (1, "UNREACHABLE", False)


def test_one_who_never_answers_is_exit_code_1(tmp_path):
    """A process that hangs still has its socket: the kernel accepts."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as hung:
        port = hung.getsockname()[1]
        over_grpc = ask(f"127.0.0.1:{port}", "--timeout", "0.3")
        over_http = ask(f"http://127.0.0.1:{port}/", "--timeout", "0.3")
    assert (over_grpc.exit_code, over_http.exit_code) == (1, 1)


@pytest.mark.parametrize(("code", "exit_code", "status"), [(200, 0, "SERVING"), (503, 1, "NOT_SERVING")])
def test_a_readiness_page_is_asked_over_http(code, exit_code, status):
    paths: list[str] = []
    with readiness_page(code, paths) as url:
        result = ask(f"{url}/health/readiness?deep=1", "--json")
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (exit_code, status)
    assert paths == ["/health/readiness?deep=1"]


def test_what_is_no_address_is_one_clear_line():
    for wrong in ("nonsense", "https://127.0.0.1/"):
        result = ask(wrong)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "is not an address" in result.stderr


def test_an_image_says_in_its_environment_whom_to_ask(monkeypatch, address):
    monkeypatch.setenv("RUNESTONE_HEALTH", address)
    with health_server(address):
        assert ask().exit_code == 0


def test_it_loads_nothing_that_a_service_needs():
    """It is started every few seconds beside each process."""
    heavy = ("aiohttp", "chassis", "redis", "rich", "yaml", "opentelemetry", "gateway_edge")
    code = f"import sys, launcher.health; sys.exit(' '.join(m for m in {heavy} if m in sys.modules) or None)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
