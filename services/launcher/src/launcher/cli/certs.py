"""`runestone certs create`."""

from pathlib import Path
from typing import Annotated

import typer

from launcher.cli.options import JsonOption

app = typer.Typer(help="Certificates for trials and development.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Certificates for trials and development."""


@app.command("create")
def create(
    *,
    out: Annotated[Path, typer.Option("--out", help="The folder: a folder in it for each name.")],
    trust_domain: Annotated[str, typer.Option(help="As in mesh.tls.trust_domain.")] = "runestone.local",
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long a certificate is good.")] = 365,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Whose, instead of every service's, envoy's and operator's; may be repeated."),
    ] = None,
    front_host: Annotated[
        list[str] | None,
        typer.Option(help="Also one for the front door, under this name or address; may be repeated."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also where there are good ones; the authority stays.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Makes an authority and certificates: DIR/<name>/tls.crt, tls.key and ca.crt. Those that are still good stay."""
    from launcher.cli.certs_making import make  # noqa: PLC0415  `--help` does not wait for it

    make(out, trust_domain, days, name or [], front_host or [], is_forced=force, as_json=as_json)
