"""`mesh.tls`, `mesh.callers` and `mesh.<service>.probe`: what is taken, and what could not be meant."""

import pytest

from chassis.config import ConfigError, parse_settings
from chassis.snapshots import document_for

TLS = "tls: {cert: c.pem, key: k.pem, ca: a.pem}"


@pytest.mark.parametrize(
    "text",
    [
        f"mesh: {{{TLS}}}",
        "mesh: {tls: {cert: '/c/{service}/tls.crt', key: '/c/{service}/tls.key', ca: /c/ca.crt, trust_domain: prod.example}}",
        f"mesh: {{{TLS}, callers: [{{name: envoy, may: [/runestone.cache.v1.CacheService/*]}}]}}",
        f"mesh: {{{TLS}, callers: [{{name: 'spiffe://other.example/ns/a/sa/b', may: ['*', '/*.v1.*/Look*']}}]}}",
        "mesh: {cache: {probe: '0.0.0.0:50060'}, audit: {probe: '[::]:50060'}}",
    ],
)
def test_what_is_meant_is_taken(text: str) -> None:
    parse_settings(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mesh: {tls: {cert: c, key: k}}", "line 1: mesh.tls: `ca` is missing"),
        ("mesh: {tls: {cert: '', key: k, ca: a}}", "line 1: mesh.tls.cert: must be the path of a PEM file"),
        ("mesh: {tls: {cert: '{name}', key: k, ca: a}}", "line 1: mesh.tls.cert: only {service} may stand in braces"),
        ("mesh: {tls: {cert: c, key: k, ca: a, trust_domain: Prod}}", "line 1: mesh.tls.trust_domain: Expected `str`"),
        (
            "mesh: {callers: [{name: envoy, may: ['*']}]}",
            "line 1: mesh.callers: nobody is asked for a name without mesh.tls",
        ),
        (f"mesh: {{{TLS}, callers: [{{name: a, may: []}}]}}", "mesh.callers[0].may: Expected `array` of length >= 1"),
        (f"mesh: {{{TLS}, callers: [{{name: A b, may: ['*']}}]}}", "mesh.callers[0].name: must be a SPIFFE ID"),
        (
            f"mesh: {{{TLS}, callers: [{{name: 'spiffe://a/../b', may: ['*']}}]}}",
            "mesh.callers[0].name: must be a SPIFFE ID",
        ),
        (
            f"mesh: {{{TLS}, callers: [{{name: a, may: [LookUp]}}]}}",
            "mesh.callers[0].may[0]: must be /package.Service/Method",
        ),
        (
            f"mesh: {{{TLS}, callers: [{{name: a, may: [/x]}}]}}",
            "mesh.callers[0].may[0]: must be /package.Service/Method",
        ),
        ("mesh: {cache: {probe: '50060'}}", "line 1: mesh.cache.probe: must be host:port, such as 0.0.0.0:50060"),
        (
            "mesh: {cache: {probe: 'h:1', replicas: 2}}",
            "mesh.cache.probe: several replicas on one machine cannot share a port",
        ),
        ("mesh: {cache: {probe: 'h:70000'}}", "line 1: mesh.cache.probe: must be host:port, such as 0.0.0.0:50060"),
    ],
)
def test_what_could_not_be_meant_is_told(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_settings(text)
    assert problem in str(raised.value)


def test_a_caller_stands_once() -> None:
    text = f"mesh: {{{TLS}, callers: [{{name: a, may: ['*']}}, {{name: a, may: [/x.Y/Z]}}]}}"
    with pytest.raises(ConfigError) as raised:
        parse_settings(text)
    assert [str(problem) for problem in raised.value.problems] == [
        f"line 1: mesh.callers[{index}].name: 'a' stands 2 times" for index in (0, 1)
    ]


@pytest.mark.parametrize("service", ["edge", "cache", "ratelimit", "provider", "audit"])
def test_every_service_is_told_how_the_others_are_reached(service: str) -> None:
    assert b'"c.pem"' in document_for(service, parse_settings(f"mesh: {{{TLS}}}"))
