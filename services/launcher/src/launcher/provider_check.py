"""Whether providers answer, and take their keys: one cheap request to each, all at once, every wait bounded."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from enum import StrEnum

import aiohttp
import msgspec

from chassis.config.presets import find_address
from chassis.config.providers import Provider

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
    """What one provider said, and how long that took."""

    name: str
    outcome: Outcome
    detail: str
    milliseconds: float


async def ask_all(providers: Sequence[Provider], patience: float = PATIENCE) -> list[Answer]:
    """The providers' answers, in the order of the configuration."""
    limits = aiohttp.ClientTimeout(total=patience)
    async with aiohttp.ClientSession(timeout=limits) as session:
        return await asyncio.gather(*(ask(session, provider) for provider in providers))


async def ask(session: aiohttp.ClientSession, provider: Provider) -> Answer:
    """Asks one provider for its models. What it says is not shown: a refusal may quote the key."""
    began = time.monotonic()
    outcome, detail = await _ask(session, provider)
    return Answer(provider.name, outcome, detail, round((time.monotonic() - began) * 1000, 1))


async def _ask(session: aiohttp.ClientSession, provider: Provider) -> tuple[Outcome, str]:
    address = find_address(provider)
    if not address:
        return Outcome.OK, "needs no network"
    url = address.strip().rstrip("/") + ("/v1/models" if provider.kind == "anthropic" else "/models")
    try:
        trusted = ssl.create_default_context(cafile=provider.ca or None)
        async with session.get(
            url, headers=_write_headers(provider), proxy=provider.proxy, ssl=trusted, allow_redirects=False
        ) as answer:
            return _judge(answer.status)
    except TimeoutError:
        return Outcome.TIMEOUT, "did not answer in time"
    except aiohttp.ClientConnectorCertificateError:
        return Outcome.UNREACHABLE, "its certificate is not trusted"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome.UNREACHABLE, type(error).__name__


def _write_headers(provider: Provider) -> dict[str, str]:
    key = provider.api_key.reveal() if provider.api_key is not None else ""
    if provider.kind == "anthropic":
        return {"anthropic-version": ANTHROPIC_VERSION} | ({"x-api-key": key} if key else {})
    return {"authorization": f"Bearer {key}"} if key else {}


def _judge(status: int) -> tuple[Outcome, str]:
    if status in REFUSED:
        return Outcome.REFUSED, f"HTTP {status}; check its api_key"
    if status in UNLISTED:
        return Outcome.OK, f"HTTP {status}: it has no list of models; its key was not tried"
    return Outcome.OK if status < 300 else Outcome.FAILED, f"HTTP {status}"
