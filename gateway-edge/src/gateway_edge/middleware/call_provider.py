"""The call itself: one rpc to provider-svc, whose events go to the client as they come."""

from collections.abc import AsyncIterable
from typing import Protocol

from chassis.client import closing
from chassis.errors import Reason, RunestoneError, from_message
from gateway_edge.caching.rules import FOLLOWED
from gateway_edge.call import Call
from gateway_edge.costs.headers import NOTHING, write_cost
from gateway_edge.costs.tab import Said, Tab
from gateway_edge.middleware.base import Proceed
from gateway_edge.question.telling import tell_route
from gateway_edge.reply import DROPPED
from gateway_edge.stored.places import Places
from gateway_edge.stored.watch import watch_response
from runestone.provider.v1.provider_pb2 import Accepted, CallEvent, Completed, Failed

ATTEMPTS = "x-runestone-attempts"


class Ask(Protocol):
    """Begins a call, or goes on with one."""

    async def __call__(self, call: Call) -> AsyncIterable[Said]:
        """What comes of it. Leaving that ends it."""


class CallProvider:
    """Relays what comes of asking provider-svc. A client that leaves ends that; what becomes of the provider's socket then is for `ask` to
    know. `places` are told who has a new response."""

    name = "call"

    def __init__(self, ask: Ask, places: Places) -> None:
        self._ask = ask
        self._places = places

    async def __call__(self, call: Call, proceed: Proceed) -> None:  # noqa: ARG002  the last of every pipeline
        """Answers the call or raises what went wrong."""
        answers = await self._ask(call)
        relay = _Relay(call, self._places)
        try:
            async with closing(answers) as responses:
                async for response in responses:
                    await relay.take_all(response)
        finally:
            relay.settle()
        await relay.finish()


class _Relay:
    """Events in, reply out: a stream and what is neither events nor JSON as it comes, any other answer when it is whole."""

    def __init__(self, call: Call, places: Places) -> None:
        self._call = call
        self._watch = watch_response(places, call)
        self._is_passed_on = call.asked.is_stream
        self._document = b""
        self._tab = Tab(call.asked.body)
        self._is_over = False
        if self._is_passed_on:
            call.reply.expect_events()

    async def take_all(self, response: Said) -> None:
        self._tab.receive(response)
        for event in response.events:
            await self._take(event)

    async def _take(self, event: CallEvent) -> None:
        match event.WhichOneof("event"):
            case "data" if self._is_passed_on:
                body = event.data.body
                self._tab.note(event.data, body)
                self._call.outcome.chunks += len(event.data.ends)
                if self._watch is not None:
                    await self._watch.see_events(body)
                await self._call.reply.write(body)
            case "data":
                self._document += event.data.body
            case "accepted":
                self._tab.open(event.accepted)
                self._note_accepted(event.accepted)
                if content_type := event.accepted.content_type:
                    await self._begin(content_type)
            case "completed":
                self._complete(event.completed)
            case "failed":
                self._fail(event.failed)

    def settle(self) -> None:
        """A client that leaves in the middle is billed for what passed; of a document nobody knows what it would have been."""
        if self._is_passed_on and not self._is_over and self._call.resource is None:
            self._tab.settle(self._call.outcome)

    async def finish(self) -> None:
        if not self._call.outcome.is_complete:
            raise RunestoneError(Reason.PROVIDER_STREAM_CUT, "the answer ended before it was whole")
        if self._is_passed_on:
            if self._watch is not None:
                await self._watch.settle()
            await self._call.reply.close()
            return
        if self._watch is not None:
            await self._watch.see_document(self._document)
        if self._call.outcome.cache != FOLLOWED:
            self._call.reply.headers.update(write_cost(self._call.outcome.cost))
        await self._call.reply.send(self._document)

    def _note_accepted(self, accepted: Accepted) -> None:
        self._note_target(accepted, accepted.why)
        self._call.outcome.failed_attempts = tuple(accepted.failed_attempts)
        if accepted.coalesced:
            self._note_followed()
        if self._watch is not None:
            self._watch.note_translated(is_translated=accepted.translated)
        if self._call.resource is not None:
            self._call.reply.headers.update(NOTHING)
        self._note_dropped(accepted)

    def _note_dropped(self, accepted: Accepted) -> None:
        """What was left out for a target that then brought nothing, nobody misses in another's answer."""
        self._call.outcome.dropped = tuple(accepted.dropped)
        self._call.reply.headers.pop(DROPPED, None)
        if accepted.dropped:
            self._call.reply.headers[DROPPED] = ", ".join(accepted.dropped)

    async def _begin(self, content_type: str) -> None:
        """What is neither events nor JSON. Raises PROVIDER_INVALID_ANSWER where events were asked."""
        if self._is_passed_on:
            message = f"the provider answered {content_type[:64]!r} where events were asked"
            raise RunestoneError(Reason.PROVIDER_INVALID_ANSWER, message)
        self._is_passed_on = True
        await self._call.reply.begin(content_type)

    def _note_target(self, said: Accepted | Failed, why: str) -> None:
        outcome, headers = self._call.outcome, self._call.reply.headers
        outcome.provider, outcome.provider_model, outcome.attempts = said.provider, said.model, said.attempt
        headers["x-runestone-provider"] = said.provider
        headers["x-runestone-model"] = said.model
        headers[ATTEMPTS] = str(said.attempt)
        tell_route(self._call, said.route or self._call.asked.route.name, why)

    def _note_followed(self) -> None:
        """The call is somebody else's: nothing was attempted for this one."""
        outcome, headers = self._call.outcome, self._call.reply.headers
        outcome.cache = headers["x-cache"] = FOLLOWED
        outcome.attempts, outcome.failed_attempts, headers[ATTEMPTS] = 0, (), "0"
        headers.update(NOTHING)

    def _complete(self, completed: Completed) -> None:
        outcome = self._call.outcome
        outcome.usage = completed.usage if completed.HasField("usage") else None
        outcome.cost = completed.cost if completed.HasField("cost") else None
        outcome.finish_reason = completed.finish_reason
        outcome.is_keeper = completed.keeper
        if completed.parts:
            self._note_parts(completed)
        if completed.attempt and outcome.cache != FOLLOWED:
            outcome.attempts = completed.attempt
            self._call.reply.headers[ATTEMPTS] = str(completed.attempt)
        outcome.is_complete = self._is_over = True

    def _note_parts(self, completed: Completed) -> None:
        """The stream broke off, and another went on with it: the last one answered, the others did not."""
        outcome = self._call.outcome
        outcome.parts = tuple(completed.parts)
        last = outcome.parts[-1]
        outcome.provider, outcome.provider_model, outcome.why = last.provider, last.model, last.why

    def _fail(self, failed: Failed) -> None:
        self._is_over = True
        tried = tuple(failed.failed_attempts)
        if failed.provider:
            self._note_target(failed, tried[-1].why if tried else self._call.outcome.why)
        if tried:
            self._call.outcome.failed_attempts = tried
        if failed.HasField("usage"):
            self._call.outcome.usage = failed.usage
        if failed.HasField("cost"):
            self._call.outcome.cost = failed.cost
        raise from_message(failed.error)
