"""`edge.http`, `edge.websocket`, `edge.grpc` and `edge.protection`: what is taken, and what could not be meant."""

import pytest

from chassis.config import ConfigError, parse_settings


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse_settings(text)
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        "edge: {http: {trusted_proxies: [10.0.0.0/8, 192.0.2.1, '2001:db8::/32', '::1']}}",
        "edge: {http: {cors: {origins: ['*', 'https://app.example', 'http://localhost:3000', 'https://[::1]:8080']}}}",
        "edge: {http: {tls: {cert: c.pem, key: k.pem}}}",
        "edge: {protection: {max_memory: 1GiB, max_loop_lag: 250ms, min_body_rate: 0, body_grace: 0}}",
        "edge: {websocket: {origins: ['*', 'https://app.example'], resume_window: 1h}}",
        "edge: {http: {port: 0}, admin: {port: 0}, websocket: {port: 0}, grpc: {port: 0}}",
        "edge: {http: {port: 80}, grpc: {enabled: false, port: 80}}",
        "edge: {http: {host: 10.0.0.1, port: 80}, grpc: {host: 10.0.0.2, port: 80}}",
        "tenants: [{name: a, priority: 0}, {name: b, priority: 9}]",
    ],
)
def test_what_is_meant_is_taken(text: str) -> None:
    parse_settings(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("edge: {http: {trusted_proxies: [10.0.0.1/8]}}", "edge.http.trusted_proxies[0]: must be an address or a CIDR"),
        ("edge: {http: {trusted_proxies: [envoy]}}", "edge.http.trusted_proxies[0]: must be an address or a CIDR"),
        ("edge: {http: {cors: {origins: ['app.example']}}}", "edge.http.cors.origins[0]: must be `*` or an origin"),
        ("edge: {http: {cors: {origins: ['https://a.example/']}}}", "must be `*` or an origin"),
        ("edge: {http: {cors: {origins: ['https://*.a.example']}}}", "must be `*` or an origin"),
        ("edge: {http: {tls: {cert: c.pem}}}", "edge.http.tls: needs `cert` and `key`"),
        ("edge: {protection: {max_loop_lag: 0}}", "edge.protection.max_loop_lag: must be more than 0"),
        ("edge: {protection: {max_memory: 0}}", "edge.protection.max_memory: must be more than 0"),
        ("edge: {protection: {header_timeout: 0}}", "edge.protection.header_timeout: must be more than 0"),
        ("edge: {protection: {max_header_size: 100}}", "edge.protection.max_header_size: must be at least 4KiB"),
        ("edge: {protection: {max_json_depth: 1000}}", "edge.protection.max_json_depth: Expected `int` <= 250"),
        ("edge: {protection: {max_connections: 0}}", "edge.protection.max_connections: Expected `int` >= 1"),
        ("edge: {websocket: {port: 4003}}", "edge.websocket.port: 4003 is the port of edge.http, too"),
        ("edge: {grpc: {port: 4005}}", "edge.grpc.port: 4005 is the port of edge.websocket, too"),
        ("edge: {http: {port: 4004}}", "edge.admin.port: 4004 is the port of edge.http, too"),
        ("edge: {grpc: {host: 0.0.0.0, port: 4003}}", "edge.grpc.port: 4003 is the port of edge.http, too"),
        ("edge: {websocket: {origins: [app.example]}}", "edge.websocket.origins[0]: must be `*` or an origin"),
        ("edge: {websocket: {heartbeat_interval: 0s}}", "edge.websocket.heartbeat_interval: must be more than 0"),
        ("edge: {websocket: {resume_window: 61m}}", "edge.websocket.resume_window: must be at most 1h"),
        ("edge: {websocket: {max_buffer: 0}}", "edge.websocket.max_buffer: must be more than 0"),
        ("tenants: [{name: a, priority: 10}]", "tenants[0].priority: Expected `int` <= 9"),
    ],
)
def test_what_could_not_be_meant_is_refused(text: str, problem: str) -> None:
    problems = problems_of(text)
    assert len(problems) == 1
    assert problem in problems[0]
