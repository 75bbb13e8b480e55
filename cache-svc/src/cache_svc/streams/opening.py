"""The place for copies of streams, opened: which store, and its numbers."""

from cache_svc.seals import Seals
from cache_svc.settings import CacheSettings
from cache_svc.streams.memory import MemoryStreams
from cache_svc.streams.redis_streams import RedisStreams
from cache_svc.streams.servicer import StreamServicer
from cache_svc.streams.store import StreamStore
from chassis.redis import RedisClient
from chassis.runtime import Runtime
from runestone.stream.v1 import stream_pb2, stream_pb2_grpc


def serve_streams(runtime: Runtime, settings: CacheSettings, client: RedisClient | None, seals: Seals) -> None:
    """Serves them where shared state is: in `client`, or else in memory."""
    store: StreamStore = _open_memory(runtime, settings) if client is None else RedisStreams(client)
    name = stream_pb2.DESCRIPTOR.services_by_name["StreamService"].full_name
    servicer = StreamServicer(store, seals.seal_content(b"streams"))
    runtime.serve(stream_pb2_grpc.add_StreamServiceServicer_to_server, servicer, name)


def _open_memory(runtime: Runtime, settings: CacheSettings) -> MemoryStreams:
    streams = MemoryStreams(settings.state_bounds, runtime.clock)
    runtime.metrics.gauge("stored_streams", "Streams of which a copy is kept now").set_function(lambda: len(streams))
    runtime.metrics.gauge("stored_stream_bytes", "Bytes that copies of streams count for").set_function(
        lambda: streams.used_bytes
    )
    runtime.spawn(streams.sweep(), "stream sweep")
    return streams
