"""What stands on disk before a process is started: the parts' configuration, where they are, Envoy's own, its certificate."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import yaml

from chassis.config import Settings
from launcher.configuration import load, read_text
from launcher.errors import LaunchError
from launcher.mesh.certificate import ensure_certificate
from launcher.mesh.configuration import Surroundings, extend_document, list_overruled, write_document
from launcher.mesh.counts import count_replicas
from launcher.mesh.envoy_process import EnvoyFiles, replace_text
from launcher.mesh.free_ports import free_ports, settle_ports
from launcher.mesh.local_site import local_site
from launcher.mesh.order import MeshOrder
from launcher.mesh.parts import EDGE, SERVICES, MeshPart, list_clusters, plan_part, plan_parts
from launcher.mesh.stores import Store, plan_redis

FOLDER = "mesh"  # in the data directory


class Groundwork:
    """Plans a mesh and writes its files. Raises ConfigError for a configuration that is wrong, LaunchError where a port is taken or a file
    cannot be read."""

    def __init__(self, order: MeshOrder) -> None:
        self.order = order
        self.folder = order.data_dir.absolute() / FOLDER
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._free = free_ports()
        self.ports = settle_ports(order.ports, self._free)
        self.files = EnvoyFiles(self.folder)
        self.authority = ensure_certificate(self.folder / "tls", dt.datetime.now(dt.UTC))
        self.config = self.folder / "runestone.yaml"
        self._redis = plan_redis(self.folder, self._free)
        self._lists = {name: self.folder / f"{name}.addresses" for name in SERVICES if name != EDGE}
        self.notices: list[str] = []
        self.settings, self.key_file = self.write_configuration()
        counts = count_replicas(self.settings, order.edges, order.replicas)
        self.notices += counts.notices
        self.planned = plan_parts(counts.replicas, self._free)
        self.write_places(self.planned)
        rate_limits = has_domains(self.settings)
        self.files.write_bootstrap(local_site(self.ports, self.files, self.folder / "tls", rate_limits=rate_limits))

    @property
    def stores(self) -> list[Store]:
        """Those that something is kept in."""
        settings = self.settings
        used = {settings.cache.store, settings.ratelimit.store, settings.audit.store}
        return [store for store in (self._redis,) if store is not None and store.url in used]

    def plan_part(self, service: str, number: int) -> MeshPart:
        """One more part."""
        return plan_part(service, number, self._free)

    def allows(self, service: str, replicas: int) -> bool:
        """Whether there may be so many of it: several share a store."""
        return replicas <= count_replicas(self.settings, replicas, replicas).replicas[service]

    def write_configuration(self) -> tuple[Settings, Path | None]:
        """Writes the parts' file anew, and reads it as they will."""
        document = yaml.safe_load(read_text(self.order.config)) or {}
        if not isinstance(document, dict):
            raise LaunchError(f"{self.order.config}: must be sections with names")
        self.notices = list_overruled(document)
        around = Surroundings(
            lists={name: str(path) for name, path in self._lists.items()},
            redis=self._redis.url if self._redis else None,
        )
        text = write_document(extend_document(document, around))
        loaded = load(text, self.order.data_dir)
        replace_text(self.config, text, mode=0o600)
        self.settings, self.key_file = loaded.settings, loaded.key_file
        return loaded.settings, loaded.key_file

    def write_places(self, parts: Sequence[MeshPart]) -> None:
        """Tells edges and Envoy where the parts are."""
        for name, path in self._lists.items():
            addresses = [part.address for part in parts if part.service == name]
            replace_text(path, "".join(f"{address}\n" for address in addresses))
        self.files.write_clusters(list_clusters(parts))


def has_domains(settings: Settings) -> bool:
    """Whether ratelimit-svc was told of anything that Envoy could ask it about."""
    return bool(getattr(settings.ratelimit, "domains", ()))
