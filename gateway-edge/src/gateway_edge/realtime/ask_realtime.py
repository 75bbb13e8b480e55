"""Which model a session is for: the query says it."""

from urllib.parse import parse_qs

from chassis.config import Catalog
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call, Question
from gateway_edge.middleware.base import Proceed
from gateway_edge.question.routing import require_route
from gateway_edge.question.views import View


class AskRealtime:
    """Makes a question of the query. It stands before the pipeline is chosen, for that may be the model's."""

    name = "ask_realtime"

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Sets what the call asks. Raises INVALID_REQUEST where no model is named, MODEL_NOT_FOUND."""
        models = parse_qs(call.arrival.query).get("model", [])
        if len(models) != 1:
            raise RunestoneError(Reason.INVALID_REQUEST, "name one model: `?model=`", param="model")
        model = models[0]
        route = require_route(self._catalog, call.principal, model)
        call.body, call.document = b"", {"model": model}
        call.question = Question(b"", View(model=model), route, decoded=call.document, endpoint=call.endpoint)
        await proceed(call)
