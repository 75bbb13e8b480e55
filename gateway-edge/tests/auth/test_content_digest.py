"""A body is the one that its digest names, by every algorithm that is known here."""

import hashlib

import http_sf
import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.auth.content_digest import compare_digests

BODY = b'{"hello": "world"}'
SHA_256 = hashlib.sha256(BODY).digest()
SHA_512 = hashlib.sha512(BODY).digest()


@pytest.mark.parametrize(
    "field",
    [
        # RFC 9530, appendix D, and RFC 9421, appendix B.2
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        http_sf.ser({"sha-256": SHA_256, "sha-512": SHA_512}),
        http_sf.ser({"md5": b"whatever", "sha-256": SHA_256}),
    ],
)
def test_the_bodys_own_digests_are_taken(field: str) -> None:
    compare_digests(field, BODY)


@pytest.mark.parametrize(
    "field",
    [
        "",
        "sha-256",
        "sha-256=1",
        "sha-256=::",
        "sha-256=:not base64:",
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:, sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
        "\u00e9",
        "\udcff",
        http_sf.ser({"md5": hashlib.md5(BODY).digest()}),
        http_sf.ser({"sha-256": SHA_256, "sha-512": SHA_256}),
        http_sf.ser({"sha-256": SHA_512[:32], "sha-512": SHA_512}),
        http_sf.ser({"sha-256": SHA_256[:-1]}),
        "a" * 5000,
    ],
)
def test_anything_else_is_refused(field: str) -> None:
    with pytest.raises(RunestoneError) as caught:
        compare_digests(field, BODY)
    assert caught.value.reason is Reason.AUTHENTICATION_FAILED
