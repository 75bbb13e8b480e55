"""What a call wants of the cache: under which key, and whether its answer is looked up and kept at all."""

from msgspec import Struct

from gateway_edge.caching.controls import Controls, read_header
from gateway_edge.caching.keeping import Keeping
from gateway_edge.caching.rules import Asked, Rules, list_questions, refuse_question
from gateway_edge.caching.tags import read_tags
from gateway_edge.caching.turns import Turns
from gateway_edge.call import Call, Question
from gateway_edge.endpoints.endpoint import Sent
from gateway_edge.question.fingerprint import fingerprint


class Wish(Struct, frozen=True):
    """What one call wants of the cache. With `why` its answer is neither looked up nor kept."""

    key: bytes
    why: str
    controls: Controls
    tags: tuple[str, ...]


class Wishes:
    """Reads the wishes of calls; remembers those that the same bytes of the same caller have, where no header says more."""

    def __init__(self, rules: Rules, keeping: Keeping, variants: int) -> None:
        self._rules = rules
        self._rows = list_questions(rules)
        self._keeping = keeping
        self._turns = Turns(variants) if variants > 1 else None

    def read(self, call: Call) -> Wish:
        """What a validated call wants. Raises INVALID_REQUEST for tags that are none."""
        question, headers = call.asked, call.arrival.headers
        said, tags = headers.get("cache-control"), read_tags(headers)
        sent = question.endpoint.pick_headers(headers)
        notes = question.notes if said is None and not tags and not sent else None
        wish: Wish | None = notes.get(self) if notes is not None else None
        if wish is None:
            controls = question.controls if said is None else read_header(said, question.controls)
            wish = self._make(call, controls, tags, sent)
            if notes is not None:
                notes[self] = wish
        return self._take_turn(question, wish)

    def _make(self, call: Call, controls: Controls, tags: tuple[str, ...], sent: Sent) -> Wish:
        question = call.asked
        why = refuse_question(self._rules, self._rows, Asked(question, call.caller, controls, tags))
        if why:
            return Wish(b"", why, controls, tags)
        key = fingerprint(
            owner=self._keeping.owner_of(call.caller, controls.namespace),
            pipeline=call.pipeline_version,
            dialect=question.endpoint.name,
            route=question.route,
            document=question.document,
            denied=question.endpoint.denied,
            headers=sent,
        )
        return Wish(key, why, controls, tags)

    def _take_turn(self, question: Question, wish: Wish) -> Wish:
        if self._turns is None or wish.why or question.view.is_deterministic:
            return wish
        return Wish(self._turns.take(wish.key), wish.why, wish.controls, wish.tags)
