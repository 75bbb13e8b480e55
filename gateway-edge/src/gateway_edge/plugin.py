"""What a middleware of your own is written with.

    from gateway_edge.plugin import Call, Proceed

    class Stamp:
        async def __call__(self, call: Call, proceed: Proceed) -> None:
            call.reply.headers["x-stamp"] = "seen"
            await proceed(call)

`{my_package.stamp:Stamp: {}}` in a pipeline of the configuration puts it in. With a class attribute `Options`, a msgspec.Struct,
it takes options, which are checked at start and given to the constructor. `name` (the class's name) stands in `Server-Timing`.
`on_error` (`fail`) says what happens when it raises something that is not a RunestoneError; an option of that name overrules it.
"""

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.containment.changing import change_answer, watch_answer
from gateway_edge.middleware.base import Proceed
from gateway_edge.reply import PassingReply

__all__ = ["Call", "PassingReply", "Proceed", "Reason", "RunestoneError", "change_answer", "watch_answer"]
