"""How a question has to change for a server that differs from OpenAI: each quirk is one pure change of its members.

No change alters what is asked. What is left out besides is told of.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from chassis.config.presets import Quirk
from provider_svc.documents import UNREADABLE

Members = Mapping[str, msgspec.Raw]

SYSTEM, DEVELOPER = msgspec.Raw(b'"system"'), msgspec.Raw(b'"developer"')

_decode_turns = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def leave_out_stream_options(members: Members) -> Members:
    """The server refuses them, and tells its usage without."""
    return {name: raw for name, raw in members.items() if name != "stream_options"}


def say_max_tokens(members: Members) -> Members:
    """The older name of the same bound."""
    if "max_completion_tokens" not in members:
        return members
    bound = members["max_completion_tokens"]
    others = {name: raw for name, raw in members.items() if name not in {"max_completion_tokens", "max_tokens"}}
    return {**others, "max_tokens": bound}


def call_developers_system(members: Members) -> Members:
    """The older name of the same role. What is no conversation is left to the server to refuse."""
    turns = members.get("messages")
    if turns is None or b"developer" not in bytes(turns):
        return members
    try:
        changed = [{**turn, "role": SYSTEM} if turn.get("role") == DEVELOPER else turn for turn in _decode_turns(turns)]
    except UNREADABLE:
        return members
    return {**members, "messages": msgspec.Raw(msgspec.json.encode(changed))}


CHANGES: dict[Quirk, Callable[[Members], Members]] = {
    "no_stream_options": leave_out_stream_options,
    "max_tokens": say_max_tokens,
    "no_developer": call_developers_system,
}


def change(members: Members, quirks: Iterable[Quirk]) -> Members:
    """`members` as a server with `quirks` takes them."""
    for quirk in quirks:
        members = CHANGES[quirk](members)
    return members


def list_dropped(before: Members, after: Members) -> tuple[str, ...]:
    """What a client said and the server is not told, under no other name."""
    if after is before:
        return ()
    return ("stream_options",) if "stream_options" in before and "stream_options" not in after else ()
