"""`runestone cache stats|purge|shred|warm`."""

from pathlib import Path
from typing import Annotated

import typer

from launcher.cli.options import DataDirOption, JsonOption

app = typer.Typer(help="Look into the answer cache, and make it forget.", no_args_is_help=True)

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Does not ask whether that is meant; nor does --json.")]
OptionalText = str | None


@app.callback()
def _group() -> None:
    """Look into the answer cache, and make it forget. Every replica is asked; one that cannot be is exit code 1."""


@app.command("stats")
def stats(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Shows what the cache holds and how often it helped."""
    from launcher.cli.cache_commands import show_statistics  # noqa: PLC0415  `--help` does not wait for gRPC

    show_statistics(data_dir, as_json=as_json)


@app.command("purge")
def purge(
    *,
    key: Annotated[OptionalText, typer.Option(metavar="HEX", help="This answer: its x-cache-key.")] = None,
    prefix: Annotated[OptionalText, typer.Option(metavar="HEX", help="Answers whose key begins so.")] = None,
    tenant: Annotated[OptionalText, typer.Option(help="Answers of this tenant.")] = None,
    model: Annotated[OptionalText, typer.Option(help="Answers to questions for this public model name.")] = None,
    tag: Annotated[OptionalText, typer.Option(help="Answers to calls with this tag.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All answers that fit the other options.")] = False,
    is_sure: YesOption = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forgets the answers that fit all that is given, in every replica and in every edge's copies."""
    from launcher.cli import cache_commands  # noqa: PLC0415  `--help` does not wait for gRPC

    if key is not None and prefix is not None:
        raise typer.BadParameter("give --key or --prefix, not both")
    key_prefix = prefix if key is None else cache_commands.check_key(key)
    given = {"key_prefix": key_prefix, "tenant": tenant, "model": model, "tag": tag, "everything": everything or None}
    members = {name: value for name, value in given.items() if value is not None}
    if not members:
        raise typer.BadParameter("say what: --key, --prefix, --tenant, --model, --tag or --all")
    if everything and not (is_sure or as_json):
        typer.confirm("Forget all answers that fit?" if len(members) > 1 else "Forget all answers?", abort=True)
    cache_commands.purge(data_dir, members, as_json=as_json)


@app.command("shred")
def shred(
    tenant: Annotated[str, typer.Argument(help="Whose answers.")],
    *,
    is_sure: YesOption = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Makes everything that is kept for a tenant unreadable for ever: destroys its key, then purges its answers."""
    from launcher.cli import cache_commands  # noqa: PLC0415  `--help` does not wait for gRPC

    if not (is_sure or as_json):
        typer.confirm(f"Make all answers of {tenant} unreadable for ever?", abort=True)
    cache_commands.shred(data_dir, tenant, as_json=as_json)


@app.command("warm")
def warm(
    file: Annotated[Path | None, typer.Argument(help="Questions as JSON lines: a chat request each.")] = None,
    *,
    from_audit: Annotated[
        bool, typer.Option("--from-audit", help="Those that audit records hold, newest first.")
    ] = False,
    tenant: Annotated[
        OptionalText, typer.Option(help="Of the records only this tenant's; the key must be its own.")
    ] = None,
    since: Annotated[OptionalText, typer.Option(help="Not before: 2026-01-31T12:00:00Z, or 7d ago.")] = None,
    model: Annotated[OptionalText, typer.Option(help="Only those for this public model name.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=10_000, help="At most this many questions [1000].")] = None,
    rate: Annotated[float, typer.Option(min=0.01, max=1000, help="At most so many a second.")] = 5,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="At most so many at a time.")] = 8,
    key_file: Annotated[Path | None, typer.Option(help="Holds the key to ask with.")] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Asks questions so that their answers are kept. An ordinary client of the running mesh: it costs what asking costs. Key:
    --key-file, RUNESTONE_API_KEY, or the development key. Exit code 1 if any question failed."""
    from launcher.cli import cache_warm  # noqa: PLC0415  `--help` does not wait for aiohttp

    conditions = {"tenant": tenant, "since": since, "model": model, "limit": limit}
    if (file is None) != from_audit:
        raise typer.BadParameter("give a FILE of questions or --from-audit, one of them")
    if not from_audit and (given := [name for name, value in conditions.items() if value is not None]):
        raise typer.BadParameter(f"--{given[0]} is for --from-audit")
    order = cache_warm.Order(rate=rate, concurrency=concurrency, key_file=key_file, data_dir=data_dir, as_json=as_json)
    if file is not None:
        raise typer.Exit(cache_warm.warm_from_file(order, file))
    wanted = cache_warm.Recorded(tenant=tenant or "", since=since or "", model=model or "", limit=limit or 1000)
    raise typer.Exit(cache_warm.warm_from_audit(order, wanted))
