"""Whom a certificate's names stand for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.mesh_security.identity import dns_name, is_spiffe_id, read_identity, shorten, spiffe_id

DOMAIN = "runestone.local"
services = st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True)
domains = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)


@given(services, domains)
def test_what_is_issued_is_what_is_read(service: str, domain: str) -> None:
    assert read_identity([spiffe_id(service, domain)], [], domain) == service
    assert read_identity([], [dns_name(service, domain)], domain) == service


@given(services, domains, domains)
def test_a_service_of_another_trust_domain_is_never_ours(service: str, ours: str, other: str) -> None:
    if ours != other:
        identity = read_identity([spiffe_id(service, other)], [dns_name(service, ours)], ours)
        assert identity == f"spiffe://{other}/runestone/{service}"
        assert read_identity([], [dns_name(service, other)], ours) in ("", *_ends(service, other, ours))


def _ends(service: str, other: str, ours: str) -> list[str]:
    """Where the other domain lies within ours, the name may be one of ours: `a.b` of `c` and `a` of `b.c` are the same DNS name."""
    name = f"{service}.{other}"
    return [name.removesuffix(f".{ours}")] if name.endswith(f".{ours}") else []


@given(st.lists(st.text(max_size=40), max_size=3), st.lists(st.text(max_size=40), max_size=3))
def test_no_text_is_somebody_by_accident(uris: list[str], names: list[str]) -> None:
    identity = read_identity(uris, names, DOMAIN)
    if identity and not identity.startswith("spiffe://"):
        assert uris == [spiffe_id(identity, DOMAIN)] or (
            not uris and dns_name(identity, DOMAIN) in map(str.lower, names)
        )


@pytest.mark.parametrize(
    ("uris", "names", "identity"),
    [
        ([], [], ""),
        ([], ["cache.runestone.local", "cache.default.svc"], "cache"),
        ([], ["CACHE.RUNESTONE.LOCAL"], "cache"),
        ([], ["cache.runestone.local", "edge.runestone.local"], ""),
        ([], ["*.runestone.local"], ""),
        ([], ["runestone.local"], ""),
        ([], ["a.b.runestone.local"], ""),
        (["spiffe://runestone.local/runestone/edge"], ["cache.runestone.local"], "edge"),
        (["spiffe://runestone.local/runestone/edge"] * 2, [], ""),
        (["https://example.com/"], ["cache.runestone.local"], ""),
        (["spiffe://runestone.local/ns/default/sa/app"], [], "spiffe://runestone.local/ns/default/sa/app"),
        (["spiffe://runestone.local/runestone/edge/more"], [], "spiffe://runestone.local/runestone/edge/more"),
        (["spiffe://runestone.local/runestone/"], [], ""),
        (["spiffe://runestone.local/runestone/../edge"], [], ""),
        (["spiffe://Runestone.local/runestone/edge"], [], ""),
        (["spiffe://runestone.local/runestone/edge?x"], [], ""),
        (["spiffe://runestone.local:1/runestone/edge"], [], ""),
        (["spiffe://user@runestone.local/runestone/edge"], [], ""),
        (["spiffe://runestone.local/runestone/edge\n"], [], ""),
        (["spiffe://other.example/runestone/edge"], [], "spiffe://other.example/runestone/edge"),
    ],
)
def test_names_that_are_read_strictly(uris: list[str], names: list[str], identity: str) -> None:
    """X.509-SVID: one URI, well-formed. Where there is a URI that is none, a DNS name beside it does not count either."""
    assert read_identity(uris, names, DOMAIN) == identity


def test_an_id_that_is_too_long_is_none() -> None:
    assert is_spiffe_id(f"spiffe://a/{'b' * 2000}")
    assert not is_spiffe_id(f"spiffe://a/{'b' * 2048}")


def test_a_name_alone_stays_as_it_is() -> None:
    assert shorten("envoy", DOMAIN) == "envoy"
    assert shorten("spiffe://runestone.local/runestone/envoy", DOMAIN) == "envoy"
