"""Fetching a key set over HTTP: from the one address that the operator wrote, and nowhere else."""

from http import HTTPStatus

import aiohttp

LARGEST = 512 << 10  # bytes; the large issuers' sets have some ten thousand


async def fetch_keys(url: str) -> bytes:
    """The document at `url`. Redirects are not followed and the environment's proxies not used: both would let somebody else
    answer. Raises OSError when it cannot be had, ValueError when it is too large; the caller sets the deadline."""
    try:
        async with (
            aiohttp.ClientSession(trust_env=False, auto_decompress=False) as session,
            session.get(url, allow_redirects=False, headers={"accept-encoding": "identity"}) as response,
        ):
            if response.status != HTTPStatus.OK:
                raise ConnectionError(f"the answer is {response.status}")
            return await _read(response.content)
    except aiohttp.ClientError as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error


async def _read(content: aiohttp.StreamReader) -> bytes:
    document = b""
    async for block in content.iter_any():
        document += block
        if len(document) > LARGEST:
            raise ValueError(f"the key set is larger than {LARGEST} bytes")
    return document
