"""What the edge must know of an endpoint that models are asked at."""

from collections.abc import Mapping

from msgspec import Struct

from chassis.errors import Reason, RunestoneError
from gateway_edge.endpoints.voice import Voice
from gateway_edge.endpoints.voices import OPENAI
from gateway_edge.question.fingerprint import DENIED_IN_ANY_FORM
from gateway_edge.question.views import View
from runestone.common.v1.dialect_pb2 import Dialect

Sent = tuple[tuple[str, str], ...]


class Endpoint(Struct, frozen=True, kw_only=True):
    """A `POST` at `path`, of which every request is read as `view` and answered with `voice`. `name` stands in the keys of kept
    answers.

    `headers` are those that its maker's clients send and its API reads: they go to the provider, and may change the answer.
    `is_form` says that the body is multipart/form-data, else it is JSON. An answer that `may_be_kept` is document or events. What
    may differ between those who are given the same one are the members that are `denied` a part in the question. `tells_finish`:
    whether its answers say why the model stopped; `has_choices`: whether what they say stands in `choices`, also in a stream. `is_deployed`: whether Azure's clients name its model in the path.
    `is_stored`: whether providers store what they answer, under ids of their own.
    """

    path: str
    dialect: "Dialect.ValueType"
    name: str
    view: type[View]
    voice: Voice = OPENAI
    headers: tuple[str, ...] = ("openai-beta",)
    is_form: bool = False
    may_be_kept: bool = True
    denied: frozenset[str] = DENIED_IN_ANY_FORM
    tells_finish: bool = False
    has_choices: bool = False
    is_deployed: bool = False
    is_stored: bool = False

    def pick_headers(self, headers: Mapping[str, str]) -> Sent:
        """Of a request's headers those that go to the provider. Raises INVALID_REQUEST for one that is not plain text."""
        sent = tuple([(name, headers[name]) for name in self.headers if name in headers])
        for name, value in sent:
            if not value.isascii():
                raise RunestoneError(Reason.INVALID_REQUEST, f"the header `{name}` must be ASCII", param=name)
        return sent
