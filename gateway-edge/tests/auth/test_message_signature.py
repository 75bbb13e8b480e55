"""A signature is good for one request, exactly as it was sent, once and for a while."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as with_fields

from chassis.errors import Reason, RunestoneError
from gateway_edge.auth.content_digest import LARGE
from gateway_edge.auth.message_signature import MessageSignature
from gateway_edge.call import Call

Arrive = Callable[..., Call]


async def refused(act: Callable[..., Any], *given: Any, code: str = "invalid_signature") -> str:
    """The message with which `act` refuses."""
    with pytest.raises(RunestoneError) as caught:
        await act(*given)
    assert (caught.value.reason, caught.value.code) == (Reason.AUTHENTICATION_FAILED, code)
    return caught.value.message


@pytest.mark.parametrize(
    ("keyid", "tenant", "key"), [("ed", "acme", "ci"), ("hmac", "acme", "old"), ("ops", "admin", "admin")]
)
async def test_a_request_that_another_implementation_signed_is_its_signers(
    signatures: MessageSignature, arrive: Arrive, wire, secret, keyid, tenant, key
) -> None:
    said = {} if keyid == "ed" else {"key": secret, "key_id": keyid}
    principal = await signatures.verify(arrive(wire.signed(**said)))
    assert (principal.tenant, principal.key, principal.is_admin) == (tenant, key, keyid == "ops")


async def test_a_request_without_a_body_needs_no_digest(signatures, arrive, wire) -> None:
    get = replace(wire, method="GET", path="/v1/models", query="", body=b"")
    signed = get.signed(covered=("@method", "@path", "@query"))
    assert (await signatures.verify(arrive(signed))).tenant == "acme"


async def test_a_body_is_read_by_whoever_needs_it_and_only_then(signatures, arrive, wire) -> None:
    call = arrive(wire.signed())
    await signatures.verify(call)
    assert call.body is None
    assert await call.read_body() == await call.arrival.read_body() == wire.body


@pytest.mark.parametrize("body", [b'{"model": "dearer"}', b"", b'{"model": "simulated"} '])
async def test_nobody_ever_reads_another_body_than_was_signed(signatures, arrive, wire, body) -> None:
    call = arrive(replace(wire.signed(), body=body))
    await signatures.verify(call)
    for read in (call.read_document, call.read_body, call.arrival.read_body):
        assert "content-digest" in await refused(read)
    assert call.body is None


async def test_a_body_that_was_not_announced_is_not_taken(signatures, arrive, wire, covered) -> None:
    """No framing that the parser takes leads here; were there one, it would not be a way around."""
    call = arrive(replace(wire, body=b"").signed(covered=covered[:3]))
    call.arrival = with_fields(call.arrival, read_body=arrive(wire).arrival.read_body)
    await signatures.verify(call)
    assert "content-digest" in await refused(call.read_body)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"path": "/v1/embeddings"},
        {"path": "/v1/chat%2Fcompletions"},
        {"query": "a=1&b= "},
        {"query": ""},
    ],
)
async def test_any_change_of_what_is_covered_is_noticed(signatures, arrive, wire, change) -> None:
    signed = wire.signed()
    await refused(signatures.verify, arrive(replace(signed, **change)))


@pytest.mark.parametrize("missing", ["@method", "@path", "@query", "content-digest"])
async def test_what_a_request_asks_for_must_be_covered(signatures, arrive, wire, covered, missing) -> None:
    rest = tuple(name for name in covered if name != missing)
    assert missing in await refused(signatures.verify, arrive(wire.signed(covered=rest)))


@pytest.mark.parametrize("name", ["x-runestone-pipeline", "x-runestone-timeout-ms", "idempotency-key"])
async def test_headers_that_steer_the_call_must_be_covered_when_they_are_there(
    signatures, arrive, wire, covered, name
) -> None:
    steered = replace(wire, headers={name: "1"})
    assert name in await refused(signatures.verify, arrive(steered.signed()))
    signed = steered.signed(covered=(*covered, name))
    assert (await signatures.verify(arrive(signed))).tenant == "acme"


async def test_a_covered_header_that_came_twice_is_not_what_was_signed(signatures, arrive, wire, covered) -> None:
    signed = replace(wire, headers={"x-cost": "1"}).signed(covered=(*covered, "x-cost"))
    await refused(signatures.verify, arrive(signed.changed(x_cost="1, 1000")))


async def test_a_large_body_is_checked_too(signatures, arrive, wire) -> None:
    large = replace(wire, body=b"x" * (LARGE + 1))
    call = arrive(large.signed())
    await signatures.verify(call)
    assert await call.read_body() == large.body
    call = arrive(replace(large.signed(nonce="n-2"), body=b"x" * LARGE + b"y"))
    await signatures.verify(call)
    assert "content-digest" in await refused(call.read_body)


async def test_a_nonce_is_good_once(signatures, arrive, wire) -> None:
    signed = wire.signed()
    await signatures.verify(arrive(signed))
    await refused(signatures.verify, arrive(signed), code="replayed_request")


async def test_of_many_at_once_one_gets_in(signatures, arrive, wire) -> None:
    signed = wire.signed()
    outcomes = await asyncio.gather(*(signatures.verify(arrive(signed)) for _ in range(20)), return_exceptions=True)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1


async def test_signers_do_not_share_nonces(signatures, arrive, wire, secret) -> None:
    await signatures.verify(arrive(wire.signed()))
    await signatures.verify(arrive(wire.signed(key=secret)))


async def test_a_replay_is_refused_for_as_long_as_any_clock_takes_the_signature(
    signatures, arrive, clock, nonces, wire
) -> None:
    """An edge whose clock is behind takes it for longer."""
    signed = wire.signed(age=-30)
    await signatures.verify(arrive(signed))
    (request,) = nonces.asked
    assert request.ttl.ToMilliseconds() / 1000 >= 30 + 300 + 30
    clock.advance(330)
    await refused(signatures.verify, arrive(signed), code="replayed_request")


async def test_what_is_no_good_spends_no_nonce(signatures, arrive, nonces, wire) -> None:
    signed = wire.signed()
    await refused(signatures.verify, arrive(replace(signed, method="PUT")))
    assert nonces.asked == []


@pytest.mark.parametrize(("age", "is_good"), [(-31, False), (-30, True), (0, True), (300, True), (301, False)])
async def test_it_is_good_within_the_window_and_the_clocks_difference(signatures, arrive, wire, age, is_good) -> None:
    call = arrive(wire.signed(age=age))
    if is_good:
        await signatures.verify(call)
    else:
        assert "clock" in (message := await refused(signatures.verify, call)) or "too old" in message


@pytest.mark.parametrize(("expires", "is_good"), [(10, True), (0, True), (-1, False), (10_000, False)])
async def test_it_ends_when_it_says_so_and_never_after_the_window(signatures, arrive, wire, expires, is_good) -> None:
    age = 0 if is_good or expires < 0 else 301
    call = arrive(wire.signed(age=age, ends_in=expires))
    if is_good:
        await signatures.verify(call)
    else:
        assert "too old" in await refused(signatures.verify, call)


async def test_an_algorithm_that_is_not_the_keys_is_refused(signatures, arrive, wire, secret) -> None:
    """Else a public key could be used as a secret."""
    await refused(signatures.verify, arrive(wire.signed(key=secret, key_id="ed")))
    await refused(signatures.verify, arrive(wire.signed(key_id="hmac", include_alg=False)))
    await refused(signatures.verify, arrive(wire.signed(key_id="nobody")))


async def test_an_answer_to_whom_guesses_key_ids_says_nothing(signatures, arrive, wire) -> None:
    unknown = await refused(signatures.verify, arrive(wire.signed(key_id="nobody")))
    wrong = await refused(signatures.verify, arrive(replace(wire.signed(), path="/")))
    assert unknown == wrong


@pytest.mark.parametrize("reason", [Reason.UNAVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.OVERLOADED, Reason.INTERNAL])
async def test_while_nobody_can_tell_a_replay_nothing_gets_in(signatures, arrive, nonces, wire, reason) -> None:
    nonces.error = RunestoneError(reason, "down")
    with pytest.raises(RunestoneError) as caught:
        await signatures.verify(arrive(wire.signed()))
    assert (caught.value.reason, caught.value.retry_after) == (Reason.UNAVAILABLE, 1.0)
