"""A stream of Responses events as steps: one state machine, one event in, any number of steps out.

Every data JSON repeats its event's name as `type`, which alone is read. Events and items of kinds that are not known are passed over.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

import msgspec

from chassis.errors import Reason, RunestoneError
from provider_svc.dialects import steps
from provider_svc.dialects.openai_responses.answer_schema import (
    ErrorEvent,
    Failure,
    ItemEvent,
    Named,
    PartHead,
    Piece,
    ResponseEvent,
)
from provider_svc.dialects.openai_responses.open_items import ITEMS, PIECES, OpenFunctionCall, OpenItem
from provider_svc.dialects.openai_responses.usage import read_usage
from provider_svc.dialects.steps import Count, End, Start, Step, Stop
from provider_svc.documents import UNREADABLE
from provider_svc.failures import failure_of_object

T = TypeVar("T")
_Take = Callable[["ResponsesReader", Any], Iterable[Step]]

DONE = b"[DONE]"  # Responses have none; some imitations send it nevertheless

# Why an answer is incomplete. One that is cut for a reason younger than this table must not look whole.
REASONS: Mapping[str, steps.Reason] = {"content_filter": "filter", "max_output_tokens": "length"}

# What a failure is by the beginning of its code, where it has no type of its own: most questions that fail so fail again.
TYPES: Mapping[str, str] = {
    "invalid_api_key": "authentication_error",
    **dict.fromkeys(("bio_policy", "data_residency", "misalignment"), "invalid_request_error"),
    **dict.fromkeys(
        ("empty_image", "failed_to_download_image", "image_", "unsupported_image"), "invalid_request_error"
    ),
    **dict.fromkeys(("invalid_base64_image", "invalid_image", "invalid_prompt"), "invalid_request_error"),
}


class ResponsesReader:
    """One answer's reading."""

    def __init__(self) -> None:
        self._has_begun = False
        self._has_items = False
        self._has_called = False
        self._is_done = False
        self._open: OpenItem | None = None
        self._waiting: dict[int, list[tuple[_Take, Any]]] = {}

    def read(self, data: bytes) -> Iterable[Step]:
        """See `AnswerReader.read`."""
        if self._is_done or data == DONE:
            return ()
        named = _read(data, _NAMED)
        known = _EVENTS.get(named.type)
        if known is not None:
            decoder, take = known
            return list(take(self, _read(data, decoder)))
        if failure := failure_of_object({"error": _read(named.error, _ANYTHING)}):
            raise failure
        if not named.type:
            raise _invalid("sent data that is not an event of the Responses API")
        return ()

    def _begin(self, event: ResponseEvent) -> Iterable[Step]:
        """`created`; where that is missing `queued` or `in_progress`."""
        if not self._has_begun:
            self._has_begun = True
            said = event.response
            yield Start(said.id, said.model, None if said.created_at is None else int(said.created_at))

    def _place(self, event: Any, take: _Take) -> Iterable[Step]:
        """Items follow each other: the events of one that overlaps with the open one wait until that is whole."""
        if not self._has_begun:
            raise _invalid("sent an item before response.created")
        self._has_items = True
        if self._open is None or self._open.index == event.output_index:
            yield from take(self, event)
            yield from self._go_on()
        else:
            self._waiting.setdefault(event.output_index, []).append((take, event))

    def _go_on(self) -> Iterable[Step]:
        while self._open is None and self._waiting:
            for take, event in self._waiting.pop(next(iter(self._waiting))):
                yield from take(self, event)

    def _begin_item(self, event: ItemEvent) -> Iterable[Step]:
        kind = ITEMS.get(_read(event.item, _KIND).type)
        if self._open is not None:
            yield from self._finish_open(None)
        if kind is None:
            return
        self._open = kind(event.output_index)
        self._has_called = self._has_called or isinstance(self._open, OpenFunctionCall)
        yield from self._open.begin(_read(event.item, kind.decoder))

    def _finish_item(self, event: ItemEvent) -> Iterable[Step]:
        """A whole item; one that never began is all there."""
        kind = ITEMS.get(_read(event.item, _KIND).type)
        if kind is None:
            return
        if self._open is None:
            yield from self._begin_item(event)
        if type(self._open) is kind:
            yield from self._finish_open(_read(event.item, kind.decoder))

    def _finish_open(self, item: Any) -> Iterable[Step]:
        if self._open is not None:
            yield from self._open.finish(item)
            self._open = None

    def _complete(self, event: ResponseEvent) -> Iterable[Step]:
        yield from self._flush(event)
        yield Stop("tools" if self._has_called else "end")
        yield from self._end()

    def _cut(self, event: ResponseEvent) -> Iterable[Step]:
        yield from self._flush(event)
        details = event.response.incomplete_details
        yield Stop(REASONS.get((details and details.reason) or "", "length"))
        yield from self._end()

    def _flush(self, event: ResponseEvent) -> Iterable[Step]:
        """What the answer's end says before it says why."""
        yield from self._begin(event)
        yield from self._finish_open(None)
        while self._waiting:
            yield from self._go_on()
            yield from self._finish_open(None)
        if not self._has_items:
            for index, item in enumerate(event.response.output or ()):
                yield from self._finish_item(ItemEvent(item, index))
        if event.response.usage is not None:
            yield Count(read_usage(event.response.usage))

    def _end(self) -> Iterable[Step]:
        self._is_done = True
        yield End()

    def _fail(self, event: ResponseEvent) -> NoReturn:
        raise _failure(event.response.error or Failure())

    def _err(self, event: ErrorEvent) -> NoReturn:
        raise _failure(event.error or Failure(event.code, event.message, event.param))


def _failure(said: Failure) -> RunestoneError:
    """What OpenAI says of a failure, by its code where it has no type."""
    error = {name: value for name, value in msgspec.structs.asdict(said).items() if value is not None}
    for beginning, kind in TYPES.items():
        if str(said.code).startswith(beginning):
            error.setdefault("type", kind)
    return failure_of_object({"error": error or "the provider failed without saying why"}) or _invalid("failed")


def _invalid(what: str) -> RunestoneError:
    return RunestoneError(Reason.PROVIDER_INVALID_ANSWER, f"the provider {what}", upstream_status=200)


def _read(data: bytes | msgspec.Raw, decoder: "msgspec.json.Decoder[T]") -> T:
    try:
        return decoder.decode(data)
    except UNREADABLE as exc:
        raise _invalid(f"sent something that is not the Responses API ({exc})") from exc


def _placed(take: _Take) -> _Take:
    """Of an item's event: in its order."""
    return lambda reader, event: reader._place(event, take)  # noqa: SLF001  the machine's own step


def _piece(owner: type[OpenItem], act: Callable[[Any, Piece], Iterable[Step]]) -> _Take:
    """What an event inside an item does, where the open item is of its kind."""
    return _placed(lambda reader, piece: act(reader._open, piece) if isinstance(reader._open, owner) else ())  # noqa: SLF001  as above


_NAMED, _KIND = msgspec.json.Decoder(Named), msgspec.json.Decoder(PartHead)
_ANYTHING = msgspec.json.Decoder(object)
_RESPONSE, _ITEM, _PIECE = (
    msgspec.json.Decoder(ResponseEvent),
    msgspec.json.Decoder(ItemEvent),
    msgspec.json.Decoder(Piece),
)

_EVENTS: Mapping[str, tuple["msgspec.json.Decoder[Any]", _Take]] = {
    "response.created": (_RESPONSE, ResponsesReader._begin),  # noqa: SLF001  the machine's own steps
    "response.queued": (_RESPONSE, ResponsesReader._begin),  # noqa: SLF001
    "response.in_progress": (_RESPONSE, ResponsesReader._begin),  # noqa: SLF001
    "response.output_item.added": (_ITEM, _placed(ResponsesReader._begin_item)),  # noqa: SLF001
    **{name: (_PIECE, _piece(owner, act)) for name, (owner, act) in PIECES.items()},
    "response.output_item.done": (_ITEM, _placed(ResponsesReader._finish_item)),  # noqa: SLF001
    "response.completed": (_RESPONSE, ResponsesReader._complete),  # noqa: SLF001
    "response.incomplete": (_RESPONSE, ResponsesReader._cut),  # noqa: SLF001
    "response.failed": (_RESPONSE, ResponsesReader._fail),  # noqa: SLF001
    "error": (msgspec.json.Decoder(ErrorEvent), ResponsesReader._err),  # noqa: SLF001
}
