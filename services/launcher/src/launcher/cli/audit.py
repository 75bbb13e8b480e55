"""`runestone audit search`."""

from typing import Annotated

import typer

from launcher.cli.options import DataDirOption, JsonOption

app = typer.Typer(help="Look into what happened.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Look into what happened."""


@app.command("search")
def search(
    *,
    tenant: Annotated[str, typer.Option(help="Only this tenant's calls.")] = "",
    since: Annotated[str, typer.Option(help="Not before: 2026-01-31T12:00:00Z, or 15m ago.")] = "",
    until: Annotated[str, typer.Option(help="Before: 2026-01-31T12:00:00Z, or 15m ago.")] = "",
    model: Annotated[str, typer.Option(help="Only calls for this public model name.")] = "",
    status: Annotated[int, typer.Option(min=0, max=599, help="Only calls that ended with this HTTP status.")] = 0,
    request_id: Annotated[str, typer.Option(help="Only this call: the answer's x-request-id.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many.")] = 100,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists calls, newest first."""
    from launcher.cli.audit_search import Wanted, search_records  # noqa: PLC0415  `--help` does not wait for gRPC

    wanted = Wanted(
        tenant=tenant,
        since=since,
        until=until,
        model=model,
        status=status,
        request_id=request_id,
        limit=limit,
    )
    search_records(wanted, data_dir, as_json=as_json)
