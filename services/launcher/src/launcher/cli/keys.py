"""`runestone keys create|list|rotate|revoke`."""

from pathlib import Path
from typing import Annotated

import typer

from launcher.cli.options import ConfigOption, DataDirOption, JsonOption

app = typer.Typer(help="Make, list, change and revoke keys.", no_args_is_help=True)

TenantOption = Annotated[str | None, typer.Option(help="Whose key; may be left out where there is one tenant.")]
NameOption = Annotated[str, typer.Option(help="The key's name, unique for its tenant.")]
OutOption = Annotated[
    Path | None, typer.Option(help="Writes the secret to a new file (mode 0600), not to the terminal.")
]
ListOption = list[str] | None


@app.callback()
def _group() -> None:
    """Make, list, change and revoke keys. Only a tenant's keys file is written, never the configuration."""


@app.command("create")
def create(
    *,
    name: NameOption,
    tenant: TenantOption = None,
    expires: Annotated[str, typer.Option(help="Its end: 2027-01-31T12:00:00Z, or 30d from now.")] = "",
    models: Annotated[
        ListOption, typer.Option(help="Public model names that it may use; `*` for anything. Repeatable.")
    ] = None,
    endpoints: Annotated[
        ListOption, typer.Option(help="Endpoints: /v1/chat/completions, /v1/models*. Repeatable.")
    ] = None,
    pipelines: Annotated[ListOption, typer.Option(help="Pipelines that it may choose itself. Repeatable.")] = None,
    addresses: Annotated[ListOption, typer.Option(help="From where: 10.0.0.0/8, fd00::/8. Repeatable.")] = None,
    rooms: Annotated[ListOption, typer.Option(help="Rooms that it may join: lobby, team-*. Repeatable.")] = None,
    room_actions: Annotated[
        ListOption, typer.Option(help="What it may do there: listen, speak, control. Repeatable.")
    ] = None,
    pipeline: Annotated[str | None, typer.Option(help="The pipeline that its calls take.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Its own request limit.")] = None,
    metadata: Annotated[ListOption, typer.Option(metavar="NAME=VALUE", help="A note on it. Repeatable.")] = None,
    out: OutOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Makes a key and shows its secret, once: only the hash is kept."""
    from launcher.cli.key_commands import Desk, read_end, read_metadata  # noqa: PLC0415  `--help` does not wait for it
    from launcher.keyring import KeyRequest  # noqa: PLC0415  as above

    desk = Desk(config, data_dir, as_json=as_json)
    request = KeyRequest(
        name=name,
        expires_at=read_end(expires, desk.now),
        models=models or (),
        endpoints=endpoints or (),
        pipelines=pipelines or (),
        addresses=addresses or (),
        rooms=rooms or (),
        room_actions=room_actions or (),
        pipeline=pipeline,
        requests_per_minute=requests_per_minute,
        metadata=read_metadata(metadata or ()),
    )
    desk.create(tenant, request, out)


@app.command("list")
def list_all(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists keys: whose, until when, what they may do. No secret and no hash."""
    from launcher.cli.key_commands import Desk  # noqa: PLC0415  `--help` does not wait for it

    Desk(config, data_dir, as_json=as_json).show(tenant)


@app.command("rotate")
def rotate(
    *,
    name: NameOption,
    tenant: TenantOption = None,
    grace: Annotated[str, typer.Option(help="How long the secret before it stays good; 0s: not at all.")] = "24h",
    out: OutOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Gives a key another secret and shows it, once. Both are good for the grace time."""
    from launcher.cli.key_commands import Desk, read_grace  # noqa: PLC0415  `--help` does not wait for it

    Desk(config, data_dir, as_json=as_json).rotate(tenant, name, read_grace(grace), out)


@app.command("revoke")
def revoke(
    *,
    name: NameOption,
    tenant: TenantOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Takes a key back, with every secret that it has."""
    from launcher.cli.key_commands import Desk  # noqa: PLC0415  `--help` does not wait for it

    Desk(config, data_dir, as_json=as_json).revoke(tenant, name)
