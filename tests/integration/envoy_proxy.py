"""A real Envoy that asks ratelimit-svc about each request, with nothing behind it but itself."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from chassis.testing import free_port
from launcher.errors import LaunchError
from launcher.mesh.envoy_process import find_envoy

PATIENT = 30.0  # seconds until it listens, and until it has stopped; more than either takes on a busy machine
RLS_TIMEOUT = "10s"  # Envoy's default of 20 ms is more than a busy machine keeps


def find_program() -> Path:
    """Envoy's. Skips the test where there is none."""
    try:
        return find_envoy()
    except LaunchError as missing:
        pytest.skip(str(missing))


@asynccontextmanager
async def envoy_proxy(directory: Path, limiters: Sequence[str], *, denies_on_failure: bool) -> AsyncIterator[str]:
    """Its address. `limiters` are the unix sockets of ratelimit-svcs, between which it balances; a request is described by its
    header `x-client`."""
    binary, port, inner, admin = find_program(), free_port(), free_port(), free_port()
    config = directory / "envoy.json"
    config.write_text(json.dumps(bootstrap(limiters, port, inner, admin, denies_on_failure=denies_on_failure)))
    log = (directory / "envoy.log").open("wb")
    options = ("--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning", "-c", str(config))
    process = await asyncio.create_subprocess_exec(binary, *options, stdout=log, stderr=log, env=dict(os.environ))
    try:
        await _wait_until_ready(process, admin, directory)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), PATIENT)
        log.close()


async def _wait_until_ready(process: asyncio.subprocess.Process, admin: int, directory: Path) -> None:
    async with asyncio.timeout(PATIENT), aiohttp.ClientSession() as session:
        while True:
            assert process.returncode is None, (directory / "envoy.log").read_text()
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{admin}/ready") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)


def bootstrap(
    limiters: Sequence[str], port: int, inner: int, admin: int, *, denies_on_failure: bool
) -> dict[str, object]:
    """The least that limits: a listener with the filter, one behind it that answers, and the limiters."""
    limit = {
        "name": "envoy.filters.http.ratelimit",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit",
            "domain": "front",
            "timeout": RLS_TIMEOUT,
            "failure_mode_deny": denies_on_failure,
            "rate_limit_service": {
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": "limiters"}},
            },
        },
    }
    client = {"request_headers": {"header_name": "x-client", "descriptor_key": "client"}}
    asked = {"route": {"cluster": "inner", "rate_limits": [{"actions": [client]}, {"actions": [_EVERYBODY]}]}}
    return {
        "admin": {"address": _tcp(admin)},
        "static_resources": {
            "listeners": [
                _listener(port, asked, [limit]),
                _listener(inner, {"direct_response": {"status": 200, "body": {"inline_string": "through"}}}, []),
            ],
            "clusters": [
                _cluster("inner", [_tcp(inner)], {}),
                _cluster("limiters", [{"pipe": {"path": path}} for path in limiters], {"http2_protocol_options": {}}),
            ],
        },
    }


_EVERYBODY = {"generic_key": {"descriptor_key": "all", "descriptor_value": "requests"}}


def _tcp(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listener(port: int, route: dict[str, object], filters: list[dict[str, object]]) -> dict[str, object]:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }
    manager = {
        "@type": (
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": str(port),
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **route}]}]
        },
        "http_filters": [*filters, router],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {"name": str(port), "address": _tcp(port), "filter_chains": [chain]}


def _cluster(name: str, addresses: list[dict[str, object]], http: dict[str, object]) -> dict[str, object]:
    endpoints = [{"endpoint": {"address": address}} for address in addresses]
    protocol = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": http or {"http_protocol_options": {}},
    }
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol},
    }
