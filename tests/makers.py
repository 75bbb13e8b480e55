"""The makers of models whom every client must reach, as providers of a mesh. All of them are one fake provider."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from real_mesh import LONE, PRICES, Mesh, mesh_running
from sdk_clients import CLIENTS, ChatClient, MessagesClient, ResponsesClient

from chassis.testing import free_port

# Name: kind, and what its SDK's base URL has behind the host.
MAKERS = {"OpenAI": ("openai", "/v1"), "Anthropic": ("anthropic", ""), "compatible": ("openai_compatible", "/v1")}
SPOKEN = {
    ChatClient.name: {"OpenAI", "compatible"},
    ResponsesClient.name: {"OpenAI"},
    MessagesClient.name: {"Anthropic"},
}
PATIENT = {"connect": "20s", "first_byte": "20s", "idle": "20s", "total": "60s"}


@dataclass(frozen=True, order=True)
class Cell:
    """One client asking one maker for one form of answer."""

    client: str
    maker: str
    stream: bool

    @property
    def is_relayed(self) -> bool:
        """Whether the maker speaks the client's dialect, so that nothing is translated."""
        return self.maker in SPOKEN[self.client]

    @property
    def language(self) -> str:
        """What the maker is asked in."""
        own = {"OpenAI": "responses", "Anthropic": "messages", "compatible": "chat"}
        return "chat" if self.client == ChatClient.name and self.is_relayed else own[self.maker]

    def __repr__(self) -> str:
        return f"{self.client} -> {self.maker}, {'streamed' if self.stream else 'whole'}"


CELLS = [Cell(client, maker, stream) for client in CLIENTS for maker in MAKERS for stream in (False, True)]


def describe(port: int, suffix: str = "", timeouts: Mapping[str, str] = PATIENT) -> list[dict[str, Any]]:
    """Providers of every kind at `port`, named as their makers and `suffix`."""
    own = {"api_key": "upstream-secret", "timeouts": dict(timeouts), "prices": PRICES, **LONE}
    return [
        {"name": f"{name}{suffix}", "kind": kind, "base_url": f"http://127.0.0.1:{port}{path}", **own}
        for name, (kind, path) in MAKERS.items()
    ]


@contextmanager
def mesh_of_makers(
    *options: str,
    port: int = 0,
    more: Sequence[Mapping[str, Any]] = (),
    dialects: Mapping[str, Sequence[str]] = {},  # never changed
    **sections: Any,
) -> Iterator[Mesh]:
    """A mesh whose providers are the makers, all of them at `port` (else a free one), its `fake_port`, and `more`. `dialects` are those
    of a maker that speaks other ones than its kind usually does."""
    port = port or free_port()
    makers = [
        {**maker, **({"dialects": dialects[maker["name"]]} if maker["name"] in dialects else {})}
        for maker in describe(port)
    ]
    sections = {"models": [], **sections}
    with mesh_running(*options, providers=[*makers, *more], **sections) as running:
        yield replace(running, fake_port=port)
