"""A service that is ready at once, refuses a default ttl of 13 s, and notes when it is told to stop."""

from chassis.runtime import Runtime, Service
from chassis.snapshots import Snapshot


def refuse_unlucky(snapshot: Snapshot) -> None:
    if snapshot.settings.cache.default_ttl == 13:
        raise ValueError("thirteen is too unlucky a ttl")


async def build(runtime: Runtime) -> None:
    async def note_stop(grace: float) -> None:
        with (runtime.place.data_dir / "stops").open("a") as file:
            file.write("cache\n")

    runtime.snapshots.follow(refuse_unlucky)
    runtime.on_stop(note_stop)


SERVICE = Service("cache", build)
