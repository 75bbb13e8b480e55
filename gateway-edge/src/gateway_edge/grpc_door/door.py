"""The door as a whole: the composition root of everything in this folder."""

from collections.abc import Callable

from chassis.limiter import ConcurrencyLimiter
from chassis.runtime import Runtime
from gateway_edge.door.ways import Ways
from gateway_edge.grpc_door.opening import Opening
from gateway_edge.grpc_door.server import GrpcServer, ServerSettings
from gateway_edge.grpc_door.servicer import GatewayServicer
from gateway_edge.grpc_door.steering import Streams
from gateway_edge.messages.calls import MessageCalls


async def open_grpc_door(
    runtime: Runtime, ways: Callable[[], Ways], calls: MessageCalls, streams: Streams
) -> GrpcServer:
    """Listens where the launcher says, else where the configuration does. Calls are drained by the server's `drain`, which has to be
    called before the runtime closes it."""
    settings = runtime.settings
    limiter = ConcurrencyLimiter(settings.edge.protection.max_calls)
    runtime.metrics.gauge("grpc_door_running", "Rpcs of the gRPC door that run now").set_function(
        lambda: limiter.running
    )
    servicer = GatewayServicer(
        calls,
        Opening(ways, runtime.clock),
        streams,
        policy=lambda: ways().policy,
        limiter=limiter,
        lobby=ConcurrencyLimiter(settings.edge.protection.max_calls),
        log=runtime.log,
    )
    port = runtime.place.ports.get("grpc", settings.edge.grpc.port)
    server: GrpcServer = await runtime.open(
        GrpcServer(servicer, ServerSettings.of(settings, port), runtime.facts, runtime.spawn)
    )
    runtime.log.debug("listening", door="grpc", port=server.port, worker=runtime.place.worker)
    return server
