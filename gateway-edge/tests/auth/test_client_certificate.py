"""A certificate is whose the trusted proxy says, and nobody else's word is taken."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config.authentication import CertifiedClient
from chassis.errors import Reason, RunestoneError
from gateway_edge.auth.client_certificate import ClientCertificate
from gateway_edge.auth.forwarded_certificate import LONGEST, read_certificate
from gateway_edge.callers.tenants import Authority

HASH = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688"
# Envoy's own examples, "HTTP header manipulation", x-forwarded-client-cert.
SUBJECT = "/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client"
WHOLE = f'By=http://frontend.lyft.com;Hash={HASH};Subject="{SUBJECT}";URI=http://testclient.lyft.com'
TWO_DNS = f"{WHOLE};DNS=lyft.com;DNS=www.lyft.com"
TWO_HOPS = f"By=http://frontend.lyft.com;Hash={HASH};URI=http://testclient.lyft.com,By=http://backend.lyft.com;Hash=9ba61d6425303443c0748a02dd8de688468ed33be74eee6556d90c0149c1309e;URI=http://frontend.lyft.com"


@pytest.fixture
def certificates(authority: Authority) -> ClientCertificate:
    clients = [
        CertifiedClient(uri="spiffe://mesh/acme/*", tenant="acme", key="workloads"),
        CertifiedClient(uri="spiffe://mesh/acme/ci", tenant="acme", key="ci"),
        CertifiedClient(uri="spiffe://mesh/acme/team/*", tenant="acme", key="team"),
        CertifiedClient(subject="CN=batch,O=Beta", tenant="beta", key="batch"),
    ]
    return ClientCertificate(clients, authority)


async def identify(certificates: ClientCertificate, arrive: Any, wire: Any, header: str) -> tuple[str, str]:
    call = arrive(wire.changed(x_forwarded_client_cert=header), is_proxied=True)
    assert certificates.are_presented(call.arrival)
    principal = await certificates.verify(call)
    return principal.tenant, principal.key


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"By=spiffe://mesh/gw;Hash={HASH};URI=spiffe://mesh/acme/ci", ("acme", "ci")),
        ("URI=spiffe://mesh/acme/web", ("acme", "workloads")),
        ("URI=spiffe://mesh/acme/team/a/b", ("acme", "team")),
        ("URI=spiffe://mesh/acme/*", ("acme", "workloads")),
        ("URI=spiffe://mesh/acme/ci/x", ("acme", "workloads")),
        (f'Hash={HASH};Subject="CN=batch,O=Beta"', ("beta", "batch")),
        ('Subject="CN=batch,O=Beta";URI=', ("beta", "batch")),
        ('Subject="CN=batch,O=Beta";URI=spiffe://mesh/acme/ci', ("acme", "ci")),
    ],
)
async def test_a_certificate_is_found_by_what_names_it_most_exactly(
    certificates, arrive, wire, header, expected
) -> None:
    assert await identify(certificates, arrive, wire, header) == expected


@pytest.mark.parametrize(
    "header",
    [
        WHOLE,
        "URI=spiffe://mesh/acme",
        "URI=spiffe://mesh/acmeevil/x",
        "URI=spiffe://other/acme/ci",
        'Subject="CN=batch"',
        'Subject="CN=batch,O=Beta,OU=x"',
        f"Hash={HASH}",
        "",
        TWO_HOPS,
        "URI=spiffe://mesh/acme/ci,URI=spiffe://mesh/acme/web",
        "URI=spiffe://mesh/acme/ci;URI=spiffe://mesh/acme/web",
        "URI=spiffe://other/a;uri=spiffe://mesh/acme/ci",
        'Subject="CN=x";Subject="CN=batch,O=Beta"',
        'Subject="CN=x\\";URI=spiffe://mesh/acme/ci',
        "URI",
        "=a",
        ";;",
        'URI="spiffe://mesh/acme/ci',
        'URI="spiffe://mesh/acme/ci"x',
        "URI=spiffe://mesh/acme/ci;" + "DNS=a;" * (LONGEST // 6),
    ],
)
async def test_a_certificate_that_is_not_known_or_not_one_is_refused(certificates, arrive, wire, header) -> None:
    with pytest.raises(RunestoneError) as caught:
        await identify(certificates, arrive, wire, header)
    assert (caught.value.reason, caught.value.code) == (Reason.AUTHENTICATION_FAILED, "invalid_certificate")


def test_from_anybody_but_a_trusted_proxy_the_header_is_nothing(certificates, arrive, wire) -> None:
    call = arrive(wire.changed(x_forwarded_client_cert="URI=spiffe://mesh/acme/ci"), is_proxied=False)
    assert not certificates.are_presented(call.arrival)
    assert not certificates.are_presented(arrive(wire, is_proxied=True).arrival)


@pytest.mark.parametrize(
    ("text", "subject", "uri"),
    [
        (WHOLE, SUBJECT, "http://testclient.lyft.com"),
        (TWO_DNS, SUBJECT, "http://testclient.lyft.com"),
        ('Subject="CN=a\\"b\\\\c, d;e"', 'CN=a"b\\c, d;e', ""),
        ("URI=http://a/?b=c", "", "http://a/?b=c"),
    ],
)
def test_the_proxys_own_examples_are_read(text: str, subject: str, uri: str) -> None:
    certificate = read_certificate(text)
    assert (certificate.subject, certificate.uri) == (subject, uri)


@given(st.text(alphabet='URIsubject=",;\\ /:*') | st.text())
def test_whatever_stands_there_is_read_or_refused(text: str) -> None:
    with suppress(RunestoneError):
        assert read_certificate(text) is not None


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_a_quoted_subject_is_read_as_it_was(subject: str) -> None:
    quoted = subject.replace("\\", "\\\\").replace('"', '\\"')
    assert read_certificate(f'Hash={HASH};Subject="{quoted}";URI=a').subject == subject
