"""The keys of one provider: `api_key` and `api_keys` as one list, and what must hold in it."""

from collections.abc import Iterator

from msgspec.structs import replace

from chassis.config.document import Finding
from chassis.config.providers import ApiKey, Concurrency, Provider

UNNAMED = "1"  # what `api_key` is called beside the named ones: it is the first
USUAL_LEAST = Concurrency().min


def list_keys(provider: Provider) -> list[ApiKey]:
    """All keys that are set, the one of `api_key` first."""
    single = [] if provider.api_key is None else [ApiKey(name=UNNAMED, key=provider.api_key)]
    return [key for key in (*single, *provider.api_keys) if key.key.reveal()]


def hide_keys(provider: Provider) -> Provider:
    """`provider` for those who must not know its keys, nor how many there are."""
    return replace(provider, api_key=None, api_keys=[])


def check_keys(provider: Provider) -> Iterator[Finding]:
    """Names differ, and what runs at least is not above what runs at most; a `min` that nobody wrote gives way to a small `max`."""
    seen = {UNNAMED} if provider.api_key is not None else set()
    for index, key in enumerate(provider.api_keys):
        if key.name in seen:
            is_own = provider.api_key is not None and key.name == UNNAMED
            message = "is what `api_key` is called" if is_own else "stands there already"
            yield ("api_keys", index, "name"), f"{key.name!r} {message}"
        seen.add(key.name)
    least, most = provider.concurrency.min, provider.concurrency.max
    if USUAL_LEAST != least > most:
        yield ("concurrency", "min"), f"must be at most max, which is {most}"
