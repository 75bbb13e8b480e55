"""Where keys are made, changed and revoked: a tenant of the configuration, its keys file, and the checks around both.

Only the keys file is written, never the configuration; and only what leaves a configuration that can be loaded.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from chassis.config import ConfigError, Settings
from chassis.config.document import Source
from chassis.config.keys_files import keys_path, read_if_there
from chassis.config.schema import Key, Tenant
from chassis.keys import generate_key, hash_key
from launcher.configuration import read_settings
from launcher.errors import LaunchError
from launcher.keyfiles import DEVELOPMENT_KEY, read_key
from launcher.keyring import KeyRequest, Values, add_key, describe_key, revoke_key, rotate_key, spell_file
from launcher.replacing import editing, write_new

Edit = Callable[[Values, str], Values]


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key, whose it is, and the file that it stands in; None: the configuration's own."""

    tenant: str
    key: Key
    file: Path | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new secret, to be shown once, and where its hash was written."""

    tenant: str
    name: str
    secret: str
    file: Path


class KeyDesk:
    """The keys of one configuration. `config` is None for the defaults. Raises LaunchError for one that cannot be loaded."""

    def __init__(self, config: Path | None, text: str, data_dir: Path) -> None:
        self._config = config
        self._text = text
        self._data_dir = data_dir
        development = data_dir / DEVELOPMENT_KEY
        self._development_key = read_key(development) if development.is_file() else None
        self._settings = self._load()

    def list_keys(self, tenant: str | None = None) -> list[HeldKey]:
        """Every key, or one tenant's, in the configuration's order."""
        tenants = self._settings.tenants if tenant is None else [self._find_tenant(tenant)]
        return [held for each in tenants for held in self._list(each)]

    def create(self, tenant: str | None, request: KeyRequest, now: datetime, out: Path | None = None) -> Issued:
        """Makes a key."""

        def edit(file: Values, digest: str) -> Values:
            return add_key(file, describe_key(request, digest, now))

        whose = self._find_tenant(tenant)
        if any(key.name == request.name for key in whose.keys):
            raise LaunchError(f"{whose.name} has a key {request.name!r} already; `keys rotate` gives it another secret")
        return self._issue(whose, request.name, edit, out)

    def rotate(
        self, tenant: str | None, name: str, *, now: datetime, grace: timedelta, out: Path | None = None
    ) -> Issued:
        """Gives a key another secret; the one before it stays good for `grace`."""

        def edit(file: Values, digest: str) -> Values:
            return rotate_key(file, name, digest, now=now, grace=grace)

        whose = self._find_tenant(tenant)
        self._refuse_configured(whose, name, "give it another secret")
        return self._issue(whose, name, edit, out)

    def revoke(self, tenant: str | None, name: str) -> tuple[str, Path]:
        """Takes a key back, with every secret that it has; gives its tenant and the file that it stood in."""
        whose = self._find_tenant(tenant)
        self._refuse_configured(whose, name, "remove it")
        file = self._edit(whose, lambda values: revoke_key(values, name))
        return whose.name, file

    def _issue(self, tenant: Tenant, name: str, edit: Edit, out: Path | None) -> Issued:
        """The secret is kept by its asker before anything relies on it."""
        secret, pepper = generate_key(), self._settings.edge.key_pepper
        digest = hash_key(secret, pepper.reveal() if pepper else None)
        with ExitStack() as undo:
            if out is not None:
                write_new(out, secret)
                undo.callback(out.unlink)
            file = self._edit(tenant, lambda values: edit(values, digest))
            undo.pop_all()
        return Issued(tenant.name, name, secret, file)

    def _edit(self, tenant: Tenant, edit: Callable[[Values], Values]) -> Path:
        file = self._file_of(tenant)
        with editing(file) as draft:
            edited = spell_file(edit(_values(tenant.name, file, draft.text)))
            self._load(lambda path: edited if path == file else read_if_there(path))
            draft.replace(edited)
        return file

    def _load(self, read: Callable[[Path], str | None] = read_if_there) -> Settings:
        """The settings as they are, or as they would be."""
        try:
            return read_settings(self._text, self._data_dir, self._development_key, read)
        except ConfigError as error:
            name = self._config or "the configuration"
            raise LaunchError("\n".join(problem.tell(name) for problem in error.problems)) from error

    def _find_tenant(self, name: str | None) -> Tenant:
        tenants = self._settings.tenants
        found = [tenant for tenant in tenants if name in (None, tenant.name)]
        if len(found) == 1:
            return found[0]
        known = ", ".join(tenant.name for tenant in tenants) or "none; name one, or start the gateway once"
        where = self._config or "the defaults"
        raise LaunchError(
            f"there is no tenant {name!r} in {where}; known: {known}" if name else f"say --tenant; known: {known}"
        )

    def _list(self, tenant: Tenant) -> list[HeldKey]:
        file = self._file_of(tenant)
        filed = {key["name"] for key in _values(tenant.name, file, read_if_there(file)).get("keys", ())}
        return [HeldKey(tenant.name, key, file if key.name in filed else None) for key in tenant.keys]

    def _refuse_configured(self, tenant: Tenant, name: str, deed: str) -> None:
        if any(held.key.name == name and held.file is None for held in self._list(tenant)):
            where = self._config or f"{self._data_dir / DEVELOPMENT_KEY}"
            raise LaunchError(f"the key {name!r} of {tenant.name} does not stand in its keys file; {deed} in {where}")

    def _file_of(self, tenant: Tenant) -> Path:
        return keys_path(tenant.name, tenant.keys_file, self._data_dir)


def _values(tenant: str, file: Path, text: str | None) -> Values:
    """What stands in the file. Raises LaunchError for what cannot be read: it is not written over."""
    if text is None:
        return {"tenant": tenant, "keys": []}
    values, problems = Source(str(file), text).read()
    if problems or not isinstance(values, dict):
        raise LaunchError(f"{file} is no keys file; `runestone config check` says why")
    return values
