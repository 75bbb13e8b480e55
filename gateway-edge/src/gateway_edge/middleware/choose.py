"""Which pipeline a call takes."""

from collections.abc import Mapping

from chassis.config import Catalog
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.middleware.base import Pipeline, Proceed
from gateway_edge.question.routing import find_route

HEADER = "x-runestone-pipeline"
DEFAULT = "default"


class Choose:
    """Takes a call through the pipeline that applies: the one that `x-runestone-pipeline` names, where the caller may choose it;
    else the key's, the model's, the tenant's, `default`. The last of the steps that every call takes."""

    name = "choose"

    def __init__(self, pipelines: Mapping[str, Pipeline], catalog: Catalog, model_pipelines: Mapping[str, str]) -> None:
        self._pipelines = pipelines
        self._catalog = catalog
        self._model_pipelines = model_pipelines

    async def __call__(self, call: Call, proceed: Proceed) -> None:  # noqa: ARG002  what comes after is what it chooses
        """Runs the chosen pipeline. Raises PERMISSION_DENIED for one that the caller may not choose."""
        call.pipeline = await self._choose(call)
        pipeline = self._pipelines[call.pipeline]
        call.pipeline_version, call.is_repeatable = pipeline.version, pipeline.is_repeatable
        call.changes_answers = pipeline.changes_answers
        await pipeline(call)

    async def _choose(self, call: Call) -> str:
        principal, wanted = call.principal, call.arrival.headers.get(HEADER)
        if principal is None:
            return DEFAULT
        applies = principal.key_pipeline or await self._find_models(call) or principal.pipeline
        if wanted is None or wanted == applies:
            return applies
        if wanted not in self._pipelines or not principal.may_choose(wanted):
            message = f"you may not choose the pipeline {wanted!r}, or it does not exist"
            raise RunestoneError(Reason.PERMISSION_DENIED, message, code="pipeline_not_allowed")
        return wanted

    async def _find_models(self, call: Call) -> str | None:
        """The pipeline of the model that is asked, where the caller may use that: another's would tell that it exists. The
        body is read for it only where some model has one."""
        if not self._model_pipelines:
            return None
        model = (await call.read_document()).get("model")
        route = find_route(self._catalog, call.principal, model) if isinstance(model, str) else None
        return self._model_pipelines.get(route.name) if route else None
