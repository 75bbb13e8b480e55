"""`kill -9` on each child in turn: calls work again by themselves, and nothing acknowledged is gone."""

import contextlib
import os
import signal
import time

import grpc
import openai
import pytest
from real_mesh import ACME, Mesh

from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

HELLO = [{"role": "user", "content": "Hello"}]
PATIENCE = 20.0  # seconds; on a machine that does nothing else it takes less than two


def process_id(address: str) -> int:
    with grpc.insecure_channel(address) as channel:
        return (
            IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5, wait_for_ready=True).process_id
        )


def ask(mesh: Mesh) -> str:
    """One call; its request id."""
    with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0, timeout=10) as client:
        return client.chat.completions.with_raw_response.create(model="simulated", messages=HELLO).headers[
            "x-request-id"
        ]


@pytest.mark.parametrize("service", ["cache", "ratelimit", "provider", "audit", "edge-0"])
def test_calls_work_again_by_themselves(many_processes: Mesh, service: str) -> None:
    mesh = many_processes
    before = [ask(mesh) for _ in range(5)]
    mesh.audit(before[-1])  # acknowledged
    address = mesh.about["services"][service]
    victim = process_id(address)

    os.kill(victim, signal.SIGKILL)
    killed_at = time.monotonic()
    answered = ""
    while not answered and time.monotonic() < killed_at + PATIENCE:
        with contextlib.suppress(openai.APIConnectionError, openai.InternalServerError):
            answered = ask(mesh)
    assert answered, f"no answer within {PATIENCE} s of killing {service}"

    assert process_id(address) != victim
    for request_id in [*before, answered]:
        assert mesh.audit(request_id).status == 200
    records = [record.request_id for record in mesh.audit_records()]
    assert len(records) == len(set(records))


def test_calls_go_on_while_the_cache_the_limiter_and_the_audit_log_are_away(many_processes: Mesh) -> None:
    """Killed again and again under calls: not one call fails because of them, and every call is on record."""
    mesh = many_processes
    request_ids = []
    for _ in range(3):
        for service in ("cache", "ratelimit", "audit"):
            os.kill(process_id(mesh.about["services"][service]), signal.SIGKILL)
            request_ids += [ask(mesh) for _ in range(5)]
    for request_id in request_ids:
        assert mesh.audit(request_id).status == 200


def test_a_killed_provider_service_ends_running_streams_honestly(many_processes: Mesh) -> None:
    mesh = many_processes
    with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0, timeout=10) as client:
        stream = client.chat.completions.create(model="sim/words=500,pace=20ms", messages=HELLO, stream=True)
        next(iter(stream))
        os.kill(process_id(mesh.about["services"]["provider"]), signal.SIGKILL)
        with pytest.raises(openai.APIError):
            list(stream)
