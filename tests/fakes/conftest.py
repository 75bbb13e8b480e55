"""A fake provider, and the official SDKs as its clients."""

from collections.abc import AsyncIterator

import aiohttp
import anthropic
import openai
import pytest
from fake_provider import FakeProvider


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as provider:
        yield provider


@pytest.fixture
async def gpt(fake: FakeProvider) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=fake.openai_url, api_key="sk-any", max_retries=0) as client:
        yield client


@pytest.fixture
async def claude(fake: FakeProvider) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=fake.url, api_key="sk-any", max_retries=0) as client:
        yield client


@pytest.fixture
async def raw(fake: FakeProvider) -> AsyncIterator[aiohttp.ClientSession]:
    """Requests that no SDK would send."""
    async with aiohttp.ClientSession(fake.url) as session:
        yield session
