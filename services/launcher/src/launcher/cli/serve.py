"""`runestone serve <service>`."""

from enum import StrEnum
from typing import Annotated

import typer

from launcher.cli.options import ConfigOption, DataDirOption, LogLevel, LogLevelOption


class ServiceName(StrEnum):
    """The services of the mesh."""

    EDGE = "edge"
    CACHE = "cache"
    RATELIMIT = "ratelimit"
    PROVIDER = "provider"
    AUDIT = "audit"


def serve(
    service: Annotated[ServiceName, typer.Argument(help="Which service.")],
    *,
    listen: Annotated[
        str, typer.Option(help="unix:/path or host:port of its gRPC server \\[mesh.<service>.listen].")
    ] = "",
    peer: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=ADDRESS", help="Where another service is \\[mesh.<name>.endpoints]."),
    ] = None,
    socket: Annotated[list[str] | None, typer.Option(metavar="NAME=FD", help="An inherited listening socket.")] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER", help="A port of the edge's: http, websocket, admin, grpc \\[edge.<name>.port]."
        ),
    ] = None,
    config: ConfigOption = None,
    control: Annotated[
        str | None, typer.Option(help="A ControlService that publishes the configuration, instead of a file.")
    ] = None,
    data_dir: DataDirOption = None,
    worker: Annotated[int, typer.Option(min=0, help="This process's number among equals.")] = 0,
    grace: Annotated[
        float | None, typer.Option(min=0, help="Seconds that running calls have at stop \\[edge.drain.grace].")
    ] = None,
    log_level: LogLevelOption = LogLevel.INFO,
    lifeline: Annotated[bool, typer.Option("--lifeline", help="Stop when stdin ends.")] = False,
) -> None:
    """Runs one service as a process of its own, for machines and pods that start services themselves."""
    from launcher.serving import ServeOptions, serve_alone  # noqa: PLC0415  `--help` does not wait for gRPC

    serve_alone(
        ServeOptions(
            service=service.value,
            listen=listen,
            peers=peer or [],
            sockets=socket or [],
            ports=port or [],
            config=config,
            control=control,
            data_dir=data_dir,
            worker=worker,
            grace=grace,
            log_level=log_level.value,
            lifeline=lifeline,
        )
    )
