"""An issuer's keys are there when they are needed: fetched ahead, kept while it is away, renewed when it changes them."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from joserfc.jwk import ECKey, OctKey
from structlog.testing import capture_logs

from chassis.config.authentication import Issuer
from chassis.errors import Reason, RunestoneError
from chassis.logs import get_logger
from chassis.testing import FakeClock
from gateway_edge.auth import key_fetch
from gateway_edge.auth.key_set import MOST_KEYS, PublicKeys
from gateway_edge.auth.key_source import COOLDOWN, FETCH_TIMEOUT, FetchedKeys, WrittenKeys
from gateway_edge.auth.key_sources import KeySources

URL = "https://id.example/jwks"
OLD, NEW = (ECKey.generate_key("P-256", {"kid": kid}).as_dict(private=False) for kid in ("old", "new"))


def jwks(*keys: Any) -> bytes:
    return orjson.dumps({"keys": keys})


class FakeIssuer:
    """Answers with `document`; hangs while `gate` is closed; with an `error` it is away."""

    def __init__(self, document: bytes) -> None:
        self.document, self.error, self.asked = document, None, 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, url: str) -> bytes:
        assert url == URL
        self.asked += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.document


@pytest.fixture
async def issuer() -> FakeIssuer:
    return FakeIssuer(jwks(OLD))


@pytest.fixture
async def source(issuer: FakeIssuer, clock: FakeClock, spawn: Callable[..., None]) -> FetchedKeys:
    return FetchedKeys(URL, issuer.fetch, clock, spawn, get_logger("edge"), refresh=600)


async def test_the_first_caller_waits_for_the_keys(source: FetchedKeys, issuer: FakeIssuer) -> None:
    callers = await asyncio.gather(*(source.find("old") for _ in range(10)))
    assert {key.kid for key in callers} == {"old"}
    assert issuer.asked == 1


async def test_keys_that_are_due_are_renewed_behind_the_callers_back(
    source: FetchedKeys, issuer: FakeIssuer, clock: FakeClock
) -> None:
    await source.find("old")
    issuer.document = jwks(OLD, NEW)
    issuer.gate.clear()
    clock.advance(601)
    assert (await source.find("old")).kid == "old"
    issuer.gate.set()
    assert (await source.find("new")).kid == "new"
    assert issuer.asked == 2


async def test_a_key_that_is_not_known_is_asked_for_once(
    source: FetchedKeys, issuer: FakeIssuer, clock: FakeClock
) -> None:
    await source.find("old")
    issuer.document = jwks(NEW)
    clock.advance(COOLDOWN + 1)
    assert (await source.find("new")).kid == "new"
    for kid in ("invented", "old", None, "invented too"):
        assert (await source.find(kid) is None) == (kid is not None)
    assert issuer.asked == 2


@pytest.mark.parametrize("error", [OSError("away"), ValueError("too large"), ConnectionError("the answer is 302")])
async def test_keys_stay_while_their_issuer_is_away(
    source: FetchedKeys, issuer: FakeIssuer, clock: FakeClock, error: Exception
) -> None:
    await source.find("old")
    issuer.error = error
    clock.advance(100_000)
    with capture_logs() as logs:
        assert (await source.find("old")).kid == "old"
        assert await source.find("new") is None
        assert (await source.find("old")).kid == "old"
    assert [line["event"] for line in logs] == ["keys of an issuer not fetched"]


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": {}}', jwks(1, "a", None)])
async def test_what_is_no_key_set_replaces_nothing(
    source: FetchedKeys, issuer: FakeIssuer, clock: FakeClock, document: bytes
) -> None:
    await source.find("old")
    issuer.document = document
    clock.advance(601)
    assert await source.find("new") is None
    assert (await source.find("old")).kid == "old"


async def test_while_there_are_no_keys_nobody_is_judged(
    source: FetchedKeys, issuer: FakeIssuer, clock: FakeClock
) -> None:
    issuer.error = OSError("away")
    for _ in range(3):
        with pytest.raises(RunestoneError) as caught:
            await source.find("old")
        assert (caught.value.reason, caught.value.retry_after) == (Reason.UNAVAILABLE, COOLDOWN)
    assert issuer.asked == 1
    issuer.error = None
    clock.advance(COOLDOWN + 1)
    assert (await source.find("old")).kid == "old"


async def test_an_issuer_that_hangs_is_given_up(
    source: FetchedKeys, issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_edge.auth.key_source.FETCH_TIMEOUT", 0.01)
    issuer.gate.clear()
    with pytest.raises(RunestoneError) as caught:
        await source.find("old")
    assert caught.value.reason is Reason.UNAVAILABLE
    assert FETCH_TIMEOUT <= 5


async def test_a_caller_who_leaves_takes_the_keys_from_nobody(source: FetchedKeys, issuer: FakeIssuer) -> None:
    issuer.gate.clear()
    leaving = asyncio.create_task(source.find("old"))
    staying = asyncio.create_task(source.find("old"))
    await asyncio.sleep(0)
    leaving.cancel()
    issuer.gate.set()
    assert (await staying).kid == "old"


def test_keys_that_cannot_be_used_are_passed_over() -> None:
    weak = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": base64.urlsafe_b64encode(b"\xff" * 128).decode()}
    secret = OctKey.generate_key(256, {"kid": "secret"}).as_dict(private=True)
    keys = PublicKeys(jwks({"kty": "AKP"}, {"kty": "EC", "crv": "P-256"}, {**NEW, "use": "enc"}, weak, secret, 1, OLD))
    assert [keys.find(kid) is not None for kid in ("old", "new", "weak", "secret")] == [True, False, False, False]
    for document in (jwks(weak), jwks(secret), jwks(*[OLD] * (MOST_KEYS + 1))):
        with pytest.raises(ValueError):
            PublicKeys(document)


async def test_what_was_fetched_under_one_snapshot_serves_the_next(
    issuer: FakeIssuer, clock: FakeClock, spawn: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_fetch, "fetch_keys", issuer.fetch)
    sources = KeySources(clock, spawn, get_logger("edge"))
    configured = Issuer(issuer="i", audiences=["a"], jwks_url=URL, tenant="acme")
    first = sources.find(configured)
    await first.find("old")
    assert sources.find(configured) is first
    del first
    await sources.find(configured).find("old")
    assert issuer.asked == 2


async def test_written_keys_are_those_written(clock: FakeClock, spawn: Callable[..., None]) -> None:
    configured = Issuer(issuer="i", audiences=["a"], jwks=jwks(OLD).decode(), tenant="acme")
    source = KeySources(clock, spawn, get_logger("edge")).find(configured)
    assert isinstance(source, WrittenKeys)
    assert (await source.find("old")).kid == "old"
    assert await source.find("new") is None
