"""A service that is ready at once and notes when it is told to stop."""

from chassis.runtime import Runtime, Service


async def build(runtime: Runtime) -> None:
    async def note_stop(grace: float) -> None:
        with (runtime.place.data_dir / "stops").open("a") as file:
            file.write("audit\n")

    runtime.on_stop(note_stop)


SERVICE = Service("audit", build)
