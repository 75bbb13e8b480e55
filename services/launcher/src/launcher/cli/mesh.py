"""`runestone mesh`."""

from typing import Annotated

import typer

from launcher.cli.options import ConfigOption, DataDirOption, JsonOption, LogLevel, LogLevelOption

app = typer.Typer(help="The whole gateway behind a real Envoy on this machine, several replicas of each service.")


@app.callback(invoke_without_command=True)
def mesh(
    context: typer.Context,
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    edges: Annotated[int, typer.Option(min=1, max=32, help="How many edges.")] = 2,
    replicas: Annotated[int, typer.Option(min=1, max=32, help="How many of every other service.")] = 2,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Envoy's port with TLS; 0: any.")] = 8443,
    plain_port: Annotated[int, typer.Option(min=0, max=65535, help="Its port without TLS.")] = 8080,
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help="Its port for plain gRPC.")] = 50050,
    envoy_port: Annotated[int, typer.Option(min=0, max=65535, help="Its operators' port.")] = 9901,
    postgres: Annotated[
        bool, typer.Option(help="Keep audit records in a PostgreSQL, where one is installed; else in a file.")
    ] = True,
    tls: Annotated[
        bool, typer.Option("--tls", help="Mutual TLS inside, with certificates of an authority made for it.")
    ] = False,
    log_level: LogLevelOption = LogLevel.INFO,
) -> None:
    """Starts the mesh and keeps it running until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    from launcher.cli.run_mesh import run_mesh  # noqa: PLC0415  `--help` does not wait for gRPC
    from launcher.configuration import find_config, find_data_dir  # noqa: PLC0415
    from launcher.mesh.order import EnvoyPorts, MeshOrder  # noqa: PLC0415

    run_mesh(
        MeshOrder(
            config=find_config(config),
            data_dir=find_data_dir(data_dir),
            edges=edges,
            replicas=replicas,
            ports=EnvoyPorts(tls=port, plain=plain_port, grpc=grpc_port, admin=envoy_port),
            with_postgres=postgres,
            with_tls=tls,
            log_level=log_level.value,
        )
    )


@app.command("restart")
def restart(
    part: Annotated[str, typer.Argument(help="A part (`edge-0`), or a service: its parts one after the other.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stops a part as Kubernetes would, and starts its successor; returns when that is ready."""
    from launcher.cli.mesh_orders import restart_part  # noqa: PLC0415  `--help` does not wait for it

    restart_part(part, data_dir, as_json=as_json)


@app.command("scale")
def scale(
    service: Annotated[str, typer.Argument(help="The service.")],
    replicas: Annotated[int, typer.Argument(min=1, max=32, help="How many of it.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Starts further replicas of a service, or stops the last ones; returns when all are ready."""
    from launcher.cli.mesh_orders import scale_service  # noqa: PLC0415  `--help` does not wait for it

    scale_service(service, replicas, data_dir, as_json=as_json)


@app.command("parts")
def parts(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Shows the parts of the running mesh."""
    from launcher.cli.mesh_orders import show_parts  # noqa: PLC0415  `--help` does not wait for it

    show_parts(data_dir, as_json=as_json)
