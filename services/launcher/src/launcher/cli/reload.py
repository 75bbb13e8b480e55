"""`runestone reload`."""

from launcher.cli.options import DataDirOption, JsonOption


def reload(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Puts the changed configuration in force in the running mesh, or says everything that is wrong with it."""
    from launcher.cli.reloading import reload_mesh  # noqa: PLC0415  `--help` does not wait for it

    reload_mesh(data_dir, as_json=as_json)
