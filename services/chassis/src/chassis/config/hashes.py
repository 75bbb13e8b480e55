"""Settings in which keys stand by their hashes alone: what the edge is sent, and anybody who reads its memory finds."""

from msgspec.structs import replace

from chassis.config.schema import AdminDoor, Key, PreviousSecret, Settings
from chassis.config.units import Secret
from chassis.keys import hash_key


def hash_secrets(settings: Settings) -> Settings:
    """`settings` without any key: of tenants, and the admin's."""
    pepper = settings.edge.key_pepper.reveal() if settings.edge.key_pepper else None
    tenants = [
        replace(tenant, keys=[_hash_key(key, pepper) for key in tenant.keys]) if tenant.keys else tenant
        for tenant in settings.tenants
    ]
    edge = replace(settings.edge, admin=_hash_admin(settings.edge.admin, pepper))
    return replace(settings, edge=edge, tenants=tenants)


def _hash_admin(admin: AdminDoor, pepper: str | None) -> AdminDoor:
    return replace(admin, key=None, key_hash=_hash(admin.key, admin.key_hash, pepper))


def _hash_key(key: Key, pepper: str | None) -> Key:
    return replace(
        key,
        secret=None,
        hash=_hash(key.secret, key.hash, pepper),
        previous=key.previous and _hash_previous(key.previous, pepper),
    )


def _hash_previous(previous: PreviousSecret, pepper: str | None) -> PreviousSecret:
    return replace(previous, secret=None, hash=_hash(previous.secret, previous.hash, pepper))


def _hash(secret: Secret | None, digest: str | None, pepper: str | None) -> str | None:
    return hash_key(secret.reveal(), pepper) if secret else digest
