"""`runestone cache stats|purge|shred`."""

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
