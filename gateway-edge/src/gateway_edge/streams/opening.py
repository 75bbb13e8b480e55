"""What streams that survive their connection are made of, put together once a process."""

from dataclasses import dataclass

from chassis.runtime import Runtime
from gateway_edge.asking.begin import Begin
from gateway_edge.door.running import RunningCalls
from gateway_edge.peers import Peers
from gateway_edge.streams.control import Streams
from gateway_edge.streams.following import Follow
from gateway_edge.streams.gates import Gates
from gateway_edge.streams.notes import StreamNotes
from gateway_edge.streams.running import ResumableCalls
from gateway_edge.streams.tasks import Tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStreams:
    """`running` runs calls that begin streams, `begin` asks for them, `follow` reads them on, `control` finds and steers them."""

    control: Streams
    running: ResumableCalls
    begin: Begin
    follow: Follow


def open_streams(runtime: Runtime, peers: Peers, running: RunningCalls) -> OpenStreams:
    """Its tasks end when the service stops, behind what is registered later: doors, which end their calls first."""
    tasks = Tasks()
    runtime.on_stop(tasks.stop)
    control = Streams(StreamNotes(peers.stream_notes, tasks.start), peers.flights, Gates(), running.end_where)
    resumable = ResumableCalls(running, control, tasks.start, runtime.metrics)
    sources = runtime.metrics.counter("streams_resumed", "Streams that were read on, by where they were", ("source",))
    return OpenStreams(
        control=control,
        running=resumable,
        begin=Begin(peers.models, peers.provider, peers.places, resumable.abandon),
        follow=Follow(peers.flights, peers.copies, peers.shelf, sources),
    )
