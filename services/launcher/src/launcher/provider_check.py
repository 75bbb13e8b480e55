"""Whether providers answer, and take their keys: one cheap request with each key, all at once, every wait bounded."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from enum import StrEnum

import aiohttp
import msgspec

from chassis.config.presets import find_address
from chassis.config.provider_keys import list_keys
from chassis.config.providers import ApiKey, Provider

PATIENCE = 10.0  # seconds for each provider
ANTHROPIC_VERSION = "2023-06-01"
REFUSED = (401, 403)
UNLISTED = (404, 405)  # it is there and has no list of models: not everybody has


class Outcome(StrEnum):
    """How it went."""

    OK = "ok"
    REFUSED = "refused credentials"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    FAILED = "failed"


class Answer(msgspec.Struct, frozen=True):
    """What one provider said, and how long that took. `key` is the name of the key that it was asked with, where it has several."""

    name: str
    outcome: Outcome
    detail: str
    milliseconds: float
    key: str = ""


async def ask_all(providers: Sequence[Provider], patience: float = PATIENCE) -> list[Answer]:
    """The providers' answers, in the order of the configuration; of one with several keys an answer to each."""
    limits = aiohttp.ClientTimeout(total=patience)
    async with aiohttp.ClientSession(timeout=limits) as session:
        return await asyncio.gather(
            *(ask(session, *each) for provider in providers for each in _list_askings(provider))
        )


async def ask(session: aiohttp.ClientSession, provider: Provider, key: ApiKey | None, name: str = "") -> Answer:
    """Asks one provider for its models, with `key`. What it says is not shown: a refusal may quote the key."""
    began = time.monotonic()
    outcome, detail = await _ask(session, provider, key.key.reveal() if key is not None else "")
    return Answer(provider.name, outcome, detail, round((time.monotonic() - began) * 1000, 1), name)


def _list_askings(provider: Provider) -> list[tuple[Provider, ApiKey | None, str]]:
    """The provider with each of its keys; the key's name where it is one of several."""
    keys = list_keys(provider)
    if len(keys) > 1:
        return [(provider, key, key.name) for key in keys]
    return [(provider, keys[0] if keys else None, "")]


async def _ask(session: aiohttp.ClientSession, provider: Provider, key: str) -> tuple[Outcome, str]:
    address = find_address(provider)
    if not address:
        return Outcome.OK, "needs no network"
    url = address.strip().rstrip("/") + ("/v1/models" if provider.kind == "anthropic" else "/models")
    try:
        trusted = ssl.create_default_context(cafile=provider.ca or None)
        async with session.get(
            url, headers=_write_headers(provider.kind, key), proxy=provider.proxy, ssl=trusted, allow_redirects=False
        ) as answer:
            return _judge(answer.status)
    except TimeoutError:
        return Outcome.TIMEOUT, "did not answer in time"
    except aiohttp.ClientConnectorCertificateError:
        return Outcome.UNREACHABLE, "its certificate is not trusted"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome.UNREACHABLE, type(error).__name__


def _write_headers(kind: str, key: str) -> dict[str, str]:
    if kind == "anthropic":
        return {"anthropic-version": ANTHROPIC_VERSION} | ({"x-api-key": key} if key else {})
    return {"authorization": f"Bearer {key}"} if key else {}


def _judge(status: int) -> tuple[Outcome, str]:
    if status in REFUSED:
        return Outcome.REFUSED, f"HTTP {status}; check its api_key"
    if status in UNLISTED:
        return Outcome.OK, f"HTTP {status}: it has no list of models; its key was not tried"
    return Outcome.OK if status < 300 else Outcome.FAILED, f"HTTP {status}"
