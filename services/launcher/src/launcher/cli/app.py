"""The commands by name, and how their errors reach the user: one clear line on stderr and exit code 1."""

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from launcher.cli import (
    audit,
    cache,
    certs,
    chat,
    config,
    doctor,
    health,
    keys,
    mesh,
    providers,
    reload,
    routes,
    serve,
    targets,
    up,
)
from launcher.errors import LaunchError
from launcher.installed import explain_absence


class OneLineErrors(TyperGroup):
    """Expected errors are said without a traceback; usage errors keep exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except LaunchError as error:
            raise say(str(error)) from error
        except ModuleNotFoundError as error:
            if (absence := explain_absence(error)) is None:
                raise
            raise say(absence) from error


def say(message: str) -> typer.Exit:
    """Tells the user each line of it; what is returned ends the command."""
    for line in message.splitlines():
        typer.echo(f"runestone: {line}", err=True)
    return typer.Exit(1)


def show_version(is_asked: bool) -> None:
    """Prints the version and ends the command, where that is asked."""
    if is_asked:
        print(f"runestone {version('runestone-launcher')}")
        raise typer.Exit


app = typer.Typer(
    name="runestone",
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Shows the version and leaves.")
    ] = False,
) -> None:
    """Runestone, an LLM gateway: start it, talk to it, look into it."""


app.command("up")(up.up)
app.command("serve")(serve.serve)
app.command("reload")(reload.reload)
app.command("chat")(chat.chat)
app.command("doctor")(doctor.doctor)
app.command("health")(health.health)
app.command("targets")(targets.targets)
app.add_typer(mesh.app, name="mesh")
app.add_typer(config.app, name="config")
app.add_typer(keys.app, name="keys")
app.add_typer(providers.app, name="providers")
app.add_typer(routes.app, name="routes")
app.add_typer(audit.app, name="audit")
app.add_typer(cache.app, name="cache")
app.add_typer(certs.app, name="certs")


def main() -> None:
    """The entry point of the `runestone` script."""
    app()
