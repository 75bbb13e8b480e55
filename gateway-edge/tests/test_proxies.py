"""Who calls behind proxies: never whom the client only claims to be."""

import ipaddress

import hypothesis.strategies as st
import pytest
from hypothesis import given

from chassis.errors import RunestoneError
from gateway_edge.door.proxies import UNKNOWN, TrustedProxies, read_address, site_of

PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8:ffff::/48"])
PEER = "10.0.0.1"
CLIENT = "203.0.113.7"


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({}, PEER),
        ({"x-forwarded-for": CLIENT}, CLIENT),
        ({"x-forwarded-for": f"198.51.100.1, {CLIENT}"}, CLIENT),
        ({"x-forwarded-for": f"198.51.100.1, {CLIENT}, 10.9.9.9"}, CLIENT),
        ({"x-forwarded-for": f"10.1.1.1,{CLIENT} , 10.9.9.9"}, CLIENT),
        ({"x-forwarded-for": "10.1.1.1, 10.9.9.9"}, "10.1.1.1"),
        ({"x-forwarded-for": f"{CLIENT}:5123"}, CLIENT),
        ({"x-forwarded-for": f"::ffff:{CLIENT}"}, CLIENT),
        ({"x-forwarded-for": "[2001:db8::7]:443"}, "2001:db8::7"),
        ({"x-forwarded-for": "2001:db8::7, 2001:db8:ffff::1"}, "2001:db8::7"),
        ({"x-forwarded-for": f"{CLIENT}, unknown"}, UNKNOWN),
        ({"x-forwarded-for": ""}, UNKNOWN),
        ({"x-forwarded-for": "fe80::1%eth0"}, UNKNOWN),
        ({"x-forwarded-for": "fe80::1%\udcff"}, UNKNOWN),
        ({"x-forwarded-for": CLIENT + " " * 100}, UNKNOWN),
        ({"x-forwarded-for": f"garbage, {CLIENT}"}, CLIENT),
        ({"forwarded": f"for={CLIENT}"}, CLIENT),
        ({"forwarded": f'For="{CLIENT}:80";proto=https;by=10.0.0.1'}, CLIENT),
        ({"forwarded": 'proto=https; for="[2001:db8::7]:80"'}, "2001:db8::7"),
        ({"forwarded": f"for=198.51.100.1, for={CLIENT};proto=http, for=10.9.9.9"}, CLIENT),
        ({"forwarded": f'host="x;for=198.51.100.1";for={CLIENT}'}, CLIENT),
        ({"forwarded": f'host="x, for=198.51.100.1";for={CLIENT}'}, CLIENT),
        ({"forwarded": "for=_hidden"}, UNKNOWN),
        ({"forwarded": "proto=https"}, UNKNOWN),
        ({"forwarded": f"for={CLIENT}", "x-forwarded-for": CLIENT}, CLIENT),
    ],
)
def test_the_rightmost_address_that_is_no_proxys_is_the_clients(headers: dict[str, str], client: str) -> None:
    assert PROXIES.find_client(PEER, headers) == client


@pytest.mark.parametrize(
    "headers",
    [
        {"forwarded": "for=198.51.100.1", "x-forwarded-for": CLIENT},
        {"forwarded": 'for="198.51.100.1', "x-forwarded-for": CLIENT},
        {"forwarded": f'for="x, for="{CLIENT}"'},
        {"forwarded": f"for={CLIENT};"},
        {"forwarded": "nonsense"},
    ],
)
def test_what_two_readers_could_read_differently_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(RunestoneError, match="forwarded"):
        PROXIES.find_client(PEER, headers)


@given(st.text(), st.ip_addresses())
def test_nothing_that_a_client_writes_changes_what_the_proxy_wrote(claim: str, client: ipaddress.IPv4Address) -> None:
    written = str(read_address(str(client)))
    if not PROXIES.trusts(written):
        assert PROXIES.find_client(PEER, {"x-forwarded-for": f"{claim}, {client}"}) == written


@given(st.text(st.sampled_from('for=;," \\\t1.:[]by')), st.ip_addresses(v=4))
def test_a_claim_in_forwarded_is_overruled_or_refused(claim: str, client: ipaddress.IPv4Address) -> None:
    written = str(client)
    if PROXIES.trusts(written):
        return
    try:
        found = PROXIES.find_client(PEER, {"forwarded": f'{claim}, for="{client}"'})
    except RunestoneError:
        return
    assert found == written


def test_without_trusted_proxies_nobody_is_one() -> None:
    assert not TrustedProxies().trusts("127.0.0.1")
    assert not TrustedProxies(["10.0.0.0/8"]).trusts("")
    assert TrustedProxies(["10.0.0.0/8"]).trusts("::ffff:10.1.2.3")


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_one_client_is_an_address_or_a_network_of_ipv6(address: str, site: str) -> None:
    assert site_of(address) == site
