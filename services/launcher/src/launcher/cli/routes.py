"""`runestone routes list|explain`."""

from typing import Annotated

import typer

from launcher.cli.options import ConfigOption, DataDirOption, JsonOption

app = typer.Typer(help="Where calls of a model go, and why.", no_args_is_help=True)

Text = str | None


@app.command("list")
def list_(config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Shows each model of the configuration: its strategy, its targets, what leads elsewhere, its fallbacks."""
    from launcher.cli.route_table import list_routes  # noqa: PLC0415  `--help` does not wait for it

    list_routes(config, data_dir, as_json=as_json)


@app.command("explain")
def explain(
    model: Annotated[str, typer.Argument(help="The public model name that a client would ask.")],
    *,
    tenant: Annotated[str, typer.Option(help="Whose call it would be.")] = "",
    key: Annotated[str, typer.Option(help="The name of the key that it would come with.")] = "",
    user: Annotated[str, typer.Option(help="For whom: the body's `user`.")] = "",
    tags: Annotated[list[str] | None, typer.Option("--tag", help="A tag that it would have. Repeatable.")] = None,
    endpoint: Annotated[
        str, typer.Option(help="chat, messages, responses, embeddings ...: as in `providers[].dialects`.")
    ] = "chat",
    body: Annotated[Text, typer.Option(metavar="FILE", help="The request's JSON; `-` reads it from stdin.")] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Says where a call would go now, step by step, and why: rules and experiments of the file that the mesh runs with, then the targets as
    one replica of provider-svc sees them. Nobody is called."""
    from launcher.cli.route_commands import explain_route  # noqa: PLC0415  `--help` does not wait for gRPC
    from launcher.inquiry import read_inquiry  # noqa: PLC0415  as above

    inquiry = read_inquiry(model, tenant=tenant, key=key, user=user, tags=tags or (), endpoint=endpoint, body=body)
    explain_route(inquiry, config, data_dir, as_json=as_json)
