"""`runestone health`."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from launcher.cli.options import JsonOption


def health(
    address: Annotated[
        str,
        typer.Argument(
            envvar="RUNESTONE_HEALTH",
            help="host:port or unix:/path, which are asked over gRPC, or the http:// URL of a readiness page.",
        ),
    ],
    *,
    service: Annotated[str, typer.Option(help="The name to ask for; without one, the whole process.")] = "",
    timeout: Annotated[float, typer.Option(min=0.001, max=60, help="Seconds to wait for the answer.")] = 3.0,
    as_json: JsonOption = False,
) -> None:
    """Asks one process whether it takes calls; exit code 1 when it does not. For container engines and people."""
    from launcher.health import ask_health  # noqa: PLC0415  `--help` does not wait for gRPC

    found = ask_health(address, service=service, timeout=timeout)
    if as_json:
        print(json.dumps({**asdict(found), "serving": found.is_serving}))
    else:
        print(f"{found.address}: {found.status}{f' ({found.detail})' if found.detail else ''}")
    if not found.is_serving:
        raise typer.Exit(1)
