"""What stands on disk before a process is started: the parts' configuration, where they are, Envoy's own, its certificate."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from chassis.config import Settings
from launcher.certificate_folder import NAMES, Order, create_certificates
from launcher.configuration import load, read_text
from launcher.envoy.site import MeshTls
from launcher.errors import LaunchError
from launcher.mesh.certificate import ensure_certificate
from launcher.mesh.configuration import Surroundings, extend_document, list_overruled, write_document
from launcher.mesh.counts import count_replicas
from launcher.mesh.envoy_process import EnvoyFiles, replace_text
from launcher.mesh.free_ports import free_ports, settle_ports
from launcher.mesh.local_site import local_site
from launcher.mesh.order import MeshOrder
from launcher.mesh.parts import EDGE, SERVICES, MeshPart, list_clusters, plan_part, plan_parts
from launcher.mesh.postgres import plan_postgres
from launcher.mesh.redis import plan_redis
from launcher.mesh.store import Store

FOLDER = "mesh"  # in the data directory
LIFE = dt.timedelta(days=365)


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
        self.certificates = make_certificates(self.folder / "certificates") if order.with_tls else None
        self.config = self.folder / "runestone.yaml"
        self._redis = plan_redis(self.folder, self._free)
        self._postgres = plan_postgres(self.folder, self._free) if order.with_postgres else None
        self._lists = {name: self.folder / f"{name}.addresses" for name in SERVICES if name != EDGE}
        self.write_configuration()
        self.planned = plan_parts(self._counts.replicas, self._free)
        self.write_places(self.planned)
        site = local_site(self.ports, self.files, self.folder / "tls", rate_limits=has_domains(self.settings))
        mesh_tls = MeshTls(folder=str(self.certificates / "envoy")) if self.certificates else None
        self.files.write_bootstrap(replace(site, mesh_tls=mesh_tls))

    @property
    def stores(self) -> list[Store]:
        """Those that something is kept in."""
        settings = self.settings
        used = (settings.cache.store, settings.ratelimit.store, settings.audit.store)
        offered = [store for store in (self._redis, self._postgres) if store is not None]
        return [store for store in offered if any(map(store.is_named_in, used))]

    def plan_part(self, service: str, number: int) -> MeshPart:
        """One more part."""
        return plan_part(service, number, self._free)

    def allows(self, service: str, replicas: int) -> bool:
        """Whether there may be so many of it: several share a store."""
        return replicas <= count_replicas(self.settings, replicas, replicas).replicas[service]

    def write_configuration(self) -> None:
        """Writes the parts' file anew, and reads it as they will."""
        document = yaml.safe_load(read_text(self.order.config)) or {}
        if not isinstance(document, dict):
            raise LaunchError(f"{self.order.config}: must be sections with names")
        around = Surroundings(
            lists={name: str(path) for name, path in self._lists.items()},
            redis=self._redis.url if self._redis else None,
            postgres=self._postgres.url if self._postgres else None,
            certificates=str(self.certificates) if self.certificates else None,
        )
        stores = load(write_document(extend_document(document, around)), self.order.data_dir).settings
        self._counts = count_replicas(stores, self.order.edges, self.order.replicas)
        text = write_document(extend_document(document, replace(around, replicas=self._counts.replicas)))
        loaded = load(text, self.order.data_dir)
        replace_text(self.config, text, mode=0o600)
        self.settings, self.key_file = loaded.settings, loaded.key_file
        self.notices = [*list_overruled(document), *self._counts.notices]

    def write_places(self, parts: Sequence[MeshPart]) -> None:
        """Tells edges and Envoy where the parts are."""
        for name, path in self._lists.items():
            addresses = [part.address for part in parts if part.service == name]
            replace_text(path, "".join(f"{address}\n" for address in addresses))
        self.files.write_clusters(list_clusters(parts))


def make_certificates(folder: Path) -> Path:
    """One for each service, for Envoy and for who gives commands; those that are good stay. Raises LaunchError when a file cannot be
    written."""
    order = Order(
        folder=folder, trust_domain="runestone.local", names=NAMES, front_hosts=(), life=LIFE, is_forced=False
    )
    create_certificates(order)
    return folder


def has_domains(settings: Settings) -> bool:
    """Whether ratelimit-svc was told of anything that Envoy could ask it about."""
    return bool(settings.ratelimit.domains)
