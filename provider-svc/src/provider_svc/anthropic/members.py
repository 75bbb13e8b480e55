"""Which members of a chat completions body reach Anthropic, which are let go, and which are refused.

The rule: what would change the answer and cannot be carried is refused with its name; only what cannot is let go. A
member that nobody here knows might change the answer, so it is refused as well.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from chassis.errors import Reason, RunestoneError
from provider_svc.anthropic.chat_schema import ChatRequest, ReturnOptions

T = TypeVar("T")

# `model` and `stream` are the call's own; `stream_options` shapes the way back.
CARRIED = frozenset(ChatRequest.__struct_fields__) | {"model", "stream", "stream_options"}

DROPPED: dict[str, str] = {
    "metadata": "labels for OpenAI's dashboard",
    "prediction": "makes an answer faster, not different",
    "prompt_cache_key": "steers OpenAI's prompt cache",
    "prompt_cache_options": "steers OpenAI's prompt cache",
    "prompt_cache_retention": "steers OpenAI's prompt cache",
    "seed": "a best effort at OpenAI too, which promises no equal answers",
    "service_tier": "OpenAI's price and speed classes",
    "store": "asks OpenAI to keep the answer",
}

# Members without a counterpart, and the values (besides null) that ask for what Anthropic does anyway.
REFUSED_UNLESS: dict[str, tuple[object, ...]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": (),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "moderation": (),
    "n": (1,),
    "presence_penalty": (0,),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
    "web_search_options": (),
}

# Deep nesting is bounded by the decoder as it is by the encoder.
UNREADABLE = (msgspec.MsgspecError, RecursionError)

_PATH = re.compile(r"`\$\.?([^`]*)`$")


def refusal(param: str, message: str) -> RunestoneError:
    """INVALID_REQUEST that names the member at fault."""
    return RunestoneError(Reason.INVALID_REQUEST, message, param=param)


def read_request(members: Mapping[str, msgspec.Raw]) -> ChatRequest:
    """The carried members, typed.

    Raises INVALID_REQUEST with the member's path: a wrong type, a missing `messages`, or a member that cannot be
    carried.
    """
    for name in members.keys() - CARRIED - DROPPED.keys():
        _refuse_unless_neutral(name, members[name])
    wanted = {name: members[name] for name in ChatRequest.__struct_fields__ if name in members}
    return _decode(msgspec.json.encode(wanted), ChatRequest)


def wants_usage(members: Mapping[str, msgspec.Raw]) -> bool:
    """Whether a streaming client asked for the usage chunk. Raises INVALID_REQUEST for a malformed `stream_options`."""
    if "stream_options" not in members:
        return False
    asked = _decode(msgspec.json.encode({"stream_options": members["stream_options"]}), ReturnOptions)
    return asked.stream_options is not None and bool(asked.stream_options.include_usage)


def _refuse_unless_neutral(name: str, raw: msgspec.Raw) -> None:
    value = _decode(raw, object, name)
    if value is None or value in REFUSED_UNLESS.get(name, ()):
        return
    if name in REFUSED_UNLESS:
        raise refusal(name, f"Anthropic has no counterpart of {name} with this value; leave it out")
    raise refusal(name, f"{name} is not known here, so it cannot be translated for Anthropic; leave it out")


def _decode(body: bytes | msgspec.Raw, kind: type[T], inside: str = "") -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as wrong:
        path = _PATH.search(str(wrong))
        raise refusal((path[1] if path else "") or inside, str(wrong)) from wrong
