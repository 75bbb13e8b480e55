"""Whatever stands in the headers, a signature is refused or holds: no crash, no way around."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from gateway_edge.auth.content_digest import compare_digests
from gateway_edge.auth.signature_input import read_signature

# Texts near to structured fields: their own characters in any order, and bytes that a header may hold.
LETTERS = st.text(alphabet='abks1290-_.*"\\:;,=()@?%& \t~', max_size=80)
ANYTHING = st.binary(max_size=80).map(lambda data: data.decode("utf-8", "surrogateescape"))
PIECES = st.lists(
    st.sampled_from(
        [
            "sig=",
            "a=",
            "(",
            ")",
            '"@method"',
            '"date"',
            ";",
            "created=1",
            'keyid="a"',
            'nonce="b"',
            ":AA==:",
            "?1",
            ", ",
            " ",
            "1.5",
            "@1",
            '%"x"',
        ]
    ),
    max_size=20,
).map("".join)
FIELD = LETTERS | ANYTHING | PIECES

fuzzed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(FIELD, FIELD)
def test_a_signature_is_read_or_refused(signature_input: str, signature: str) -> None:
    with suppress(RunestoneError):
        given = read_signature({"signature-input": signature_input, "signature": signature})
        assert given.parameters.isascii() and "\n" not in given.parameters


@given(FIELD, st.binary(max_size=20))
def test_a_digest_is_compared_or_refused(field: str, body: bytes) -> None:
    with pytest.raises(RunestoneError) as caught:
        compare_digests(field, body)
    assert caught.value.reason is Reason.AUTHENTICATION_FAILED


@fuzzed
@given(data=st.data())
def test_no_character_of_what_is_asked_can_be_changed(
    signatures: Any, arrive: Any, wire: Any, data: st.DataObject
) -> None:
    signed = wire.signed(nonce=data.draw(st.uuids()).hex)
    part = data.draw(st.sampled_from(["method", "path", "query"]))
    changed = replace(signed, **{part: change_one(getattr(signed, part), data)})
    assert not takes(signatures, arrive(changed))
    body = change_one(signed.body.decode(), data).encode()
    assert not takes(signatures, arrive(replace(signed, body=body)))


@fuzzed
@given(data=st.data())
def test_a_character_changed_in_a_signature_changes_only_how_it_is_spelt(
    signatures: Any, arrive: Any, wire: Any, data: st.DataObject
) -> None:
    """Base64 has spare bits, and a label means nothing: such a change is the same signature, and spends the same nonce."""
    signed = wire.signed(nonce=data.draw(st.uuids()).hex)
    name = data.draw(st.sampled_from(["content-digest", "signature-input", "signature"]))
    changed = replace(signed, headers=signed.headers | {name: change_one(signed.headers[name], data)})
    if takes(signatures, arrive(changed)):
        assert name == "signature"
        assert read_signature(changed.headers) == read_signature(signed.headers)
        assert not takes(signatures, arrive(signed))


def change_one(text: str, data: st.DataObject) -> str:
    position = data.draw(st.integers(0, len(text) - 1))
    others = st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != text[position])
    return text[:position] + data.draw(others) + text[position + 1 :]


def takes(signatures: Any, call: Any) -> bool:
    async def attempt() -> None:
        await signatures.verify(call)
        await call.read_body()

    with suppress(RunestoneError):
        asyncio.run(attempt())
        return True
    return False
