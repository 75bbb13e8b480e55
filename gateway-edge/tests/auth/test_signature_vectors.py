"""The examples of RFC 9421 hold: the bases of section 2, and appendix B where it concerns requests."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec.structs import replace

from chassis.ed25519 import read_public_key
from chassis.errors import Reason, RunestoneError
from gateway_edge.auth.signature_base import signature_base
from gateway_edge.auth.signature_input import read_signature
from gateway_edge.auth.signers import verify_ed25519, verify_hmac
from gateway_edge.call import Arrival, Call
from gateway_edge.http1.parser import RequestParser

# Appendix B.1.2, B.1.4, B.1.5.
RSA_PSS = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----
"""
ED25519 = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----
"""
SHARED_SECRET = base64.b64decode(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)

# Appendix B.2: `test-request`.
REQUEST = """\
POST /foo?param=Value&Pet=dog HTTP/1.1
Host: example.com
Date: Tue, 20 Apr 2021 02:07:55 GMT
Content-Type: application/json
Content-Digest: sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
Content-Length: 18
"""
B21 = '();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"'
B23 = '("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"'
B25 = '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
B26 = '("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"'
DIGEST = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"


def verify_rsa_pss(base: bytes, signature: bytes) -> bool:
    """rsa-pss-sha512, which the gateway does not take, for its examples of bases. Raises InvalidSignature."""
    key = load_pem_public_key(RSA_PSS.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(signature, base, padding.PSS(padding.MGF1(SHA512()), salt_length=64), SHA512())
    return True


VECTORS: dict[str, tuple[str, Callable[[bytes, bytes], bool], str, list[str]]] = {
    "B.2.1": (
        B21,
        verify_rsa_pss,
        "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==",
        [],
    ),
    "B.2.3": (
        B23,
        verify_rsa_pss,
        "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
        [
            '"date": Tue, 20 Apr 2021 02:07:55 GMT',
            '"@method": POST',
            '"@path": /foo',
            '"@query": ?param=Value&Pet=dog',
            '"@authority": example.com',
            '"content-type": application/json',
            f'"content-digest": {DIGEST}',
            '"content-length": 18',
        ],
    ),
    "B.2.5": (
        B25,
        verify_hmac(SHARED_SECRET),
        "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
        ['"date": Tue, 20 Apr 2021 02:07:55 GMT', '"@authority": example.com', '"content-type": application/json'],
    ),
    "B.2.6": (
        B26,
        verify_ed25519(read_public_key(ED25519)),
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
        [
            '"date": Tue, 20 Apr 2021 02:07:55 GMT',
            '"@method": POST',
            '"@path": /foo',
            '"@authority": example.com',
            '"content-type": application/json',
            '"content-length": 18',
        ],
    ),
}


@pytest.fixture
def arrival_of(make_call: Callable[..., Call]) -> Callable[[str], Arrival]:
    """What arrives when a request with this head comes over the wire: through the edge's own parser."""

    def parse(head: str) -> Arrival:
        parser = RequestParser()
        parser.feed(head.replace("\n", "\r\n").encode() + b"\r\n")
        (request,) = parser.ready
        assert request.fault is None, request.fault
        return replace(
            make_call(is_bare=True).arrival,
            method=request.method,
            path=request.raw_path,
            query=request.query,
            headers=request.headers,
        )

    return parse


def signed(head: str, parameters: str, signature: str, label: str = "sig") -> str:
    return f"{head}Signature-Input: {label}={parameters}\nSignature: {label}=:{signature}:\n"


@pytest.mark.parametrize("name", VECTORS)
def test_appendix_b2(arrival_of: Any, name: str) -> None:
    parameters, verify, signature, lines = VECTORS[name]
    arrival = arrival_of(signed(REQUEST, parameters, signature))
    given = read_signature(arrival.headers)
    base = signature_base(arrival, given)
    assert base.decode().split("\n") == [*lines, f'"@signature-params": {parameters}']
    assert verify(base, given.signature)


@pytest.mark.parametrize("name", ["B.2.5", "B.2.6"])
def test_appendix_b2_does_not_hold_for_another_signature(arrival_of: Any, name: str) -> None:
    parameters, verify, signature, _ = VECTORS[name]
    arrival = arrival_of(signed(REQUEST, parameters, signature))
    given = read_signature(arrival.headers)
    for position in range(len(given.signature)):
        changed = bytearray(given.signature)
        changed[position] ^= 1
        assert not verify(signature_base(arrival, given), bytes(changed))
    assert not verify(signature_base(arrival, given), b"")


# Appendix B.4: which changes on the way a signature survives.
B4 = '("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"'
B4_SIGNATURE = "ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA=="
DEMO = "/demo?name1=Value1&Name2=value2"
SURVIVED = {
    "as it was": f"GET {DEMO} HTTP/1.1\nHost: example.org\nDate: Fri, 15 Jul 2022 14:24:55 GMT\nAccept: application/json\nAccept: */*\n",
    "more fields and parameters": f"GET {DEMO}&param=added HTTP/1.1\nHost: example.org\nAccept: application/json\nAccept: */*\nAccept-Language: en-US,en;q=0.5\n",
    "fields of one name joined": f"GET {DEMO} HTTP/1.1\nHost: example.org\nReferer: https://developer.example.org/demo\nAccept: application/json, */*\n",
    "fields in another order": f"GET {DEMO} HTTP/1.1\nAccept: application/json\nAccept: */*\nDate: Fri, 15 Jul 2022 14:24:55 GMT\nHost: example.org\n",
    "whitespace around values": f"GET {DEMO} HTTP/1.1\nHost:   example.org  \nAccept:   application/json\t\nAccept: */*   \n",
    "another case of the host": f"GET {DEMO} HTTP/1.1\nHost: Example.ORG\nAccept: application/json, */*\n",
}
BROKEN = {
    "another method": f"POST {DEMO} HTTP/1.1\nHost: example.com\nAccept: application/json\nAccept: */*\n",
    "another host": f"GET {DEMO} HTTP/1.1\nHost: example.com\nAccept: application/json, */*\n",
    "values in another order": f"GET {DEMO} HTTP/1.1\nHost: example.org\nAccept: */*\nAccept: application/json\n",
    "whitespace within values": f"GET {DEMO} HTTP/1.1\nHost: example.org\nAccept: application/json,*/*\n",
    "another path": "GET /Demo HTTP/1.1\nHost: example.org\nAccept: application/json, */*\n",
}


def is_b4_signed(arrival: Arrival) -> bool:
    given = read_signature(arrival.headers)
    return verify_ed25519(read_public_key(ED25519))(signature_base(arrival, given), given.signature)


@pytest.mark.parametrize("name", SURVIVED)
def test_appendix_b4_survives(arrival_of: Any, name: str) -> None:
    assert is_b4_signed(arrival_of(signed(SURVIVED[name], B4, B4_SIGNATURE, "transform")))


@pytest.mark.parametrize("name", BROKEN)
def test_appendix_b4_breaks(arrival_of: Any, name: str) -> None:
    assert not is_b4_signed(arrival_of(signed(BROKEN[name], B4, B4_SIGNATURE, "transform")))


# Section 2.1: header fields; 2.2: derived components.
FIELDS = """\
GET /path?param=value&foo=bar&baz=batman HTTP/1.1
Host: www.example.com
Date: Tue, 20 Apr 2021 02:07:56 GMT
X-OWS-Header:   Leading and trailing whitespace.   \t
Cache-Control: max-age=60
Cache-Control:    must-revalidate
Example-Dict:  a=1,    b=2;x=1;y=2,   c=(a   b   c)
X-Empty-Header:
"""
VALUES = {
    "host": "www.example.com",
    "date": "Tue, 20 Apr 2021 02:07:56 GMT",
    "x-ows-header": "Leading and trailing whitespace.",
    "cache-control": "max-age=60, must-revalidate",
    "example-dict": "a=1,    b=2;x=1;y=2,   c=(a   b   c)",
    "x-empty-header": "",
    "@method": "GET",
    "@authority": "www.example.com",
    "@path": "/path",
    "@query": "?param=value&foo=bar&baz=batman",
    "@request-target": "/path?param=value&foo=bar&baz=batman",
}


@pytest.mark.parametrize("name", VALUES)
def test_sections_2_1_and_2_2(arrival_of: Any, name: str) -> None:
    arrival = arrival_of(signed(FIELDS, f'("{name}")', "AA=="))
    base = signature_base(arrival, read_signature(arrival.headers)).decode()
    assert base == f'"{name}": {VALUES[name]}\n"@signature-params": ("{name}")'


@pytest.mark.parametrize(
    ("target", "query"),
    [("/path", "?"), ("/path?", "?"), ("/path?queryString", "?queryString"), ("/p?a%2Fb=%3F?", "?a%2Fb=%3F?")],
)
def test_section_2_2_7_query(arrival_of: Any, target: str, query: str) -> None:
    arrival = arrival_of(signed(f"GET {target} HTTP/1.1\nHost: a\n", '("@query")', "AA=="))
    assert signature_base(arrival, read_signature(arrival.headers)).decode().split("\n")[0] == f'"@query": {query}'


def test_a_path_is_covered_as_it_was_sent(arrival_of: Any) -> None:
    arrival = arrival_of(signed("GET /v1/models/a%2Fb%20c HTTP/1.1\nHost: a\n", '("@path")', "AA=="))
    assert b'"@path": /v1/models/a%2Fb%20c\n' in signature_base(arrival, read_signature(arrival.headers))


def test_a_folded_field_never_gets_here() -> None:
    parser = RequestParser()
    parser.feed(b"GET / HTTP/1.1\r\nHost: a\r\nX-Obs-Fold-Header: Obsolete\r\n    line folding.\r\n\r\n")
    (request,) = parser.ready
    assert request.fault is not None


# What RFC 9421 has and this gateway refuses, each with its reason.
@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ('("example-dict";sf)', "components with parameters"),
        ('("example-dict";key="a")', "components with parameters"),
        ('("example-header";bs)', "components with parameters"),
        ('("expires";tr)', "components with parameters"),
        ('("@method";req)', "components with parameters"),
        ('("@query-param";name="Pet")', "components with parameters"),  # B.2.2
        ('("@scheme")', "does not have"),
        ('("@target-uri")', "does not have"),
        ('("@status")', "does not have"),
        ('("x-missing")', "does not have"),
        ('("Date")', "does not have"),
        ('("@signature-params")', "does not have"),
        ('("date" "date")', "covered twice"),
        ("(date)", "must be strings"),
        ("(1)", "must be strings"),
        ('"date"', "must list"),
        ("1", "must list"),
        ("(" + " ".join(f'"h{n}"' for n in range(65)) + ")", "at most 64"),
        ("();created=1.5", "'created'"),
        ('();created="1"', "'created'"),
        ("();created", "'created'"),
        ("();nonce=abc", "'nonce'"),
        ("();keyid=:YQ==:", "'keyid'"),
        ("();context=1", "'context'"),
        ("();created=1;created=2", "no key twice"),
        ('("date"', "dictionaries"),
        ("@1618884473", "must list"),
        ("@99999999999999", "dictionaries"),
    ],
)
def test_what_is_not_taken_is_refused_with_the_reason(arrival_of: Any, parameters: str, words: str) -> None:
    arrival = arrival_of(signed(FIELDS, parameters, "AA=="))
    with pytest.raises(RunestoneError, match=words) as caught:
        signature_base(arrival, read_signature(arrival.headers))
    assert caught.value.reason is Reason.AUTHENTICATION_FAILED


@pytest.mark.parametrize(
    "lines",
    [
        'Signature-Input: a=("date")\n',
        "Signature: a=:AA==:\n",
        'Signature-Input: a=("date")\nSignature: b=:AA==:\n',
        'Signature-Input: a=("date"), b=("date")\nSignature: a=:AA==:, b=:AA==:\n',
        'Signature-Input: a=("date")\nSignature-Input: b=("date")\nSignature: a=:AA==:, b=:AA==:\n',
        'Signature-Input: a=("date"), a=("host")\nSignature: a=:AA==:\n',
        'Signature-Input: a=("date")\nSignature: a=:AA==:, a=:AQ==:\n',
        'Signature-Input: a=("date")\nSignature: a="AA=="\n',
        'Signature-Input: a=("date")\nSignature: a=:A:\n',
        'Signature-Input: a=("date")\nSignature: a\n',
        "Signature-Input:\nSignature:\n",
        f'Signature-Input: a=("date");tag="{"x" * 4096}"\nSignature: a=:AA==:\n',
    ],
)
def test_a_request_has_one_signature_under_one_label(arrival_of: Any, lines: str) -> None:
    with pytest.raises(RunestoneError) as caught:
        read_signature(arrival_of(FIELDS + lines).headers)
    assert caught.value.reason is Reason.AUTHENTICATION_FAILED
