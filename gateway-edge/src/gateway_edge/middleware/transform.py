"""What the operator wants changed, of requests before they are asked and of answers before they are read."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import orjson

from chassis.config.transform import TransformOptions
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed
from gateway_edge.transform.answers import AnswerPlan
from gateway_edge.transform.facts import Facts
from gateway_edge.transform.reply import TransformedReply
from gateway_edge.transform.requests import RequestPlan
from gateway_edge.transform.taking_turns import take_turns


class Transform:
    """Changes the request, and puts a reply that changes the answer in front of the client's.

    Before `validate`, what it makes of a request is what is validated. Behind it, the changed request is validated again by
    `ask`: in both places the model that is really called is one that the caller may use.
    """

    name = "transform"

    def __init__(self, options: TransformOptions, ask: Callable[[Call], Awaitable[None]]) -> None:
        self._requests = RequestPlan(options.request)
        self._answers = AnswerPlan(options)
        self._ask = ask
        self._options = options

    def for_answers(self) -> "Transform":
        """The same for calls that have no request to change."""
        return Transform(msgspec.structs.replace(self._options, request=[]), self._ask)

    @property
    def changes_answers(self) -> bool:
        """Whether events may leave it as others than they came."""
        return self._answers.reads_documents

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Raises INVALID_REQUEST and its like for a request that cannot be asked, BODY_TOO_LARGE for one that grew too large."""
        if self._requests:
            await self._change_request(call)
        if not (self._answers.headers or self._answers.reads_documents):
            await proceed(call)
            return
        plain = call.reply
        call.reply = reply = TransformedReply(
            plain, self._answers, lambda: _facts_of(call), has_choices=call.endpoint.has_choices
        )
        try:
            await proceed(call)
        finally:
            reply.publish_headers()
            call.reply = plain

    async def _change_request(self, call: Call) -> None:
        document = await call.read_document() if self._requests.reads_document else {}
        facts = _facts_of(call)
        is_changed = await take_turns(self._requests.change(document, facts))
        if facts.headers is not call.arrival.headers:
            call.arrival = msgspec.structs.replace(call.arrival, headers=facts.headers)
        if is_changed:
            if call.form is not None:
                message = "this pipeline changes what is asked, which it cannot do to a form"
                raise RunestoneError(Reason.INVALID_REQUEST, message)
            call.body = _write(call)
            if call.question is not None:
                await self._ask(call)


def _write(call: Call) -> bytes:
    """The changed document as the body that is sent on."""
    try:
        body = orjson.dumps(call.document)
    except orjson.JSONEncodeError as error:
        raise RunestoneError(Reason.INVALID_REQUEST, "the request body is nested too deeply") from error
    most = call.settings.edge.http.max_body
    if len(body) > most:
        raise RunestoneError(Reason.BODY_TOO_LARGE, f"the request has {len(body)} bytes once changed, more than {most}")
    return body


def _facts_of(call: Call) -> Facts:
    caller = call.principal
    return Facts(
        tenant=caller.tenant if caller else "",
        key=caller.key if caller else "",
        request_id=call.id,
        metadata=caller.metadata if caller else {},
        headers=call.arrival.headers,
        document=_document_of(call),
    )


def _document_of(call: Call) -> dict[str, Any]:
    if call.document is not None:
        return call.document
    return call.question.document if call.question else {}
