"""`runestone chat`."""

from typing import Annotated

import typer

from launcher.cli.options import DataDirOption, JsonOption


def chat(
    message: Annotated[str | None, typer.Argument(help="Ask this and leave; without it, a conversation.")] = None,
    model: Annotated[str | None, typer.Option(help="Which model; without it, the mesh's first.")] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Talks to a model of the running mesh. Ctrl-C cancels the answer, Ctrl-D leaves. Key: RUNESTONE_API_KEY, or the
    development key."""
    from launcher.cli.talking import Talk, find_gateway  # noqa: PLC0415  `--help` does not wait for aiohttp

    talk = Talk(find_gateway(data_dir), model, as_json=as_json)
    if message is not None:
        raise typer.Exit(talk.ask_once(message))
    talk.converse()
