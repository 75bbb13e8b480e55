"""The headers of a client that are meant for its maker's API, as far as a provider knows them."""

from collections.abc import Mapping


def pick(own: Mapping[str, str], client: Mapping[str, str], known: frozenset[str]) -> Mapping[str, str]:
    """The provider's `own` headers, and of the client's those that are `known`: they win, so a credential is never among them."""
    if not client:
        return own
    return {**own, **{name: value for name, value in client.items() if name in known}}
