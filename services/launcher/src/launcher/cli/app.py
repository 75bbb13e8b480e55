"""The commands by name, and how their errors reach the user: one clear line on stderr and exit code 1."""

from typing import Any

import typer
from typer.core import TyperGroup

from launcher.cli import audit, cache, chat, config, doctor, serve, up
from launcher.errors import LaunchError


class OneLineErrors(TyperGroup):
    """Expected errors are said without a traceback; usage errors keep exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except LaunchError as error:
            for line in str(error).splitlines():
                typer.echo(f"runestone: {line}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="runestone",
    help="Runestone, an LLM gateway: start it, talk to it, look into it.",
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("up")(up.up)
app.command("serve")(serve.serve)
app.command("chat")(chat.chat)
app.command("doctor")(doctor.doctor)
app.add_typer(config.app, name="config")
app.add_typer(audit.app, name="audit")
app.add_typer(cache.app, name="cache")


def main() -> None:
    """The entry point of the `runestone` script."""
    app()
