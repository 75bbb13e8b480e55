"""What `up` does: configuration, logs, an event loop, the mesh in it."""

import asyncio
from pathlib import Path

from rich.console import Console

from chassis import logs
from launcher.cli.loading import load_configuration
from launcher.configuration import find_config, find_data_dir, open_source
from launcher.launch import Launch, launch
from launcher.rundir import refuse_busy
from launcher.status import Board


def run_mesh(config: Path | None, data_dir: Path | None, one_process: bool, log_level: str) -> None:
    """Runs the mesh until it is told to stop. Raises LaunchError when it cannot start or go on."""
    path, where = find_config(config), find_data_dir(data_dir)
    refuse_busy(where)
    source = open_source(path, where)
    loaded = load_configuration(path, source)
    logs.configure(level=log_level)
    order = Launch(
        settings=loaded.settings,
        source=source,
        data_dir=where,
        config=path.absolute() if path else None,
        key_file=loaded.key_file,
        is_one_process=one_process,
        log_level=log_level,
    )
    work = launch(order, Board(Console()))
    if one_process:
        import uvloop  # noqa: PLC0415  only a loop that carries calls needs it

        uvloop.run(work)
    else:
        # A launcher that supervises does little work, and asyncio's own loop starts children by vfork where it can,
        # which gRPC's threads do not notice.
        asyncio.run(work)
