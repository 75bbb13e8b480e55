"""What a run of tests left that was killed: its process is gone, its containers are not."""

import os
from pathlib import Path

import docker

LABEL = "dev.runestone.tests"
LABELS = {LABEL: str(os.getpid())}


def remove_orphans() -> None:
    """Removes the containers and networks whose maker's process is gone."""
    client = docker.from_env(timeout=60)
    try:
        for container in client.containers.list(all=True, filters={"label": LABEL}):
            if not lives(container.labels[LABEL]):
                container.remove(force=True, v=True)
        for network in client.networks.list(filters={"label": LABEL}):
            if not lives(network.attrs["Labels"][LABEL]):
                network.remove()
    finally:
        client.close()


def lives(process_id: str) -> bool:
    return Path(f"/proc/{process_id}").exists()
