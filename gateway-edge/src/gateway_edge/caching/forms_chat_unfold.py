"""A kept chat completion as the stream of chunks that the same question would have been answered with."""

from collections.abc import Iterator

import msgspec
import orjson
from msgspec import Raw

from gateway_edge.caching.forms_chat_fold import COMPLETION
from gateway_edge.caching.forms_chat_usage import CHUNK, SHARED, write_usage
from gateway_edge.caching.forms_events import DONE, Unshowable, write_event
from gateway_edge.caching.forms_pieces import NULL, Members, decode_entries, decode_members, is_text
from runestone.common.v1.usage_pb2 import Usage

Delta = dict[str, object]

_EMPTY, _NONE = Raw(b'""'), Raw(b"[]")
_INPUTS = {"function": "arguments", "custom": "input"}  # where a tool call of each kind has what it is called with
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")  # between tokens only: inside a string JSON has them escaped


def unfold(document: bytes, usage: Usage | None, *, wants_usage: bool) -> list[bytes]:
    """The events of a stream that adds up to `document`: of each choice the role, each text in one chunk, tool calls as
    OpenAI opens and fills them, the finish; usage if it is wanted and known, and `[DONE]`.

    Members that OpenAI repeats stand in every chunk, others in the first. Raises ValueError or RecursionError for what is
    not a whole chat completion.
    """
    orjson.loads(document)  # its slices are never read
    members = decode_members(document.translate(_ONE_LINE))
    choices = decode_entries(members.pop("choices", NULL))
    if not choices or members.get("object", COMPLETION) != COMPLETION or members.pop("error", NULL) != NULL:
        raise Unshowable("not a chat completion")
    told = members.pop("usage", NULL)
    writer = _Writer({**members, "object": CHUNK}, with_null=wants_usage)
    events = [writer.write(chunk) for index, choice in enumerate(choices) for chunk in _unfold_choice(index, choice)]
    counted = told if told != NULL else write_usage(usage)
    if wants_usage and counted is not None:
        events.append(writer.write_usage(counted))
    return [*events, write_event(DONE)]


class _Writer:
    """Writes chunks; what they all share is encoded once."""

    def __init__(self, head: Delta, *, with_null: bool) -> None:
        self._first = _begin(head)
        self._begin = _begin({name: value for name, value in head.items() if name in SHARED})
        self._end = b'],"usage":null}' if with_null else b"]}"

    def write(self, choice: Delta) -> bytes:
        """A chunk with one choice."""
        begin, self._first = self._first or self._begin, b""
        return write_event(begin + msgspec.json.encode(choice) + self._end)

    def write_usage(self, usage: Raw) -> bytes:
        """The chunk without choices."""
        return write_event(b'%b],"usage":%b}' % (self._begin, bytes(usage)))


def _begin(head: Delta) -> bytes:
    return msgspec.json.encode(head)[:-1] + b',"choices":['


def _unfold_choice(index: int, choice: Members) -> Iterator[Delta]:
    """The choices of the chunks that tell of one choice of the document."""
    message = decode_members(choice.pop("message", NULL))
    reason = choice.pop("finish_reason", NULL)
    if choice.pop("index", NULL) != Raw(b"%d" % index) or not is_text(reason) or choice.get("error", NULL) != NULL:
        raise Unshowable("a choice that is not whole")
    logprobs = choice.pop("logprobs", NULL)
    for delta in _unfold_message(message):
        told, logprobs = (logprobs, NULL) if _is_content(delta) else (NULL, logprobs)
        yield {"index": index, "delta": delta, "logprobs": told, "finish_reason": None}
    yield {"index": index, "delta": {}, "logprobs": logprobs, "finish_reason": reason, **choice}


def _unfold_message(message: Members) -> Iterator[Delta]:
    """The role, with all that does not grow; then the texts, the answer behind what was thought before it; then calls."""
    role = message.pop("role", NULL)
    has_calls = message.get("tool_calls", NULL) not in (NULL, _NONE)
    calls = decode_entries(message.pop("tool_calls")) if has_calls else []
    texts = {name: value for name, value in message.items() if is_text(value) and value != _EMPTY}
    first = {name: value for name, value in message.items() if name not in texts}
    content = {"content": _EMPTY} if "content" in texts else {}
    yield {"role": role if is_text(role) else "assistant", **content, **first}
    for name in sorted(texts, key="content".__eq__):
        yield {name: texts[name]}
    for index, call in enumerate(calls):
        for part in _unfold_call(call):
            yield {"tool_calls": [{"index": index, **part}]}


def _unfold_call(call: Members) -> Iterator[Delta]:
    """What is called, then with what. Raises Unshowable for a call of an unknown kind."""
    kind = next((kind for kind in _INPUTS if kind in call), None)
    if kind is None:
        raise Unshowable("a tool call of an unknown kind")
    called = decode_members(call[kind])
    given = called.get(_INPUTS[kind], NULL)
    if not is_text(given):
        raise Unshowable("a tool call without input")
    call.pop("index", None)  # some documents number their calls; where they stand is what counts
    yield {**call, kind: {**called, _INPUTS[kind]: _EMPTY}}
    yield {kind: {_INPUTS[kind]: given}}


def _is_content(delta: Delta) -> bool:
    return delta.keys() == {"content"}
