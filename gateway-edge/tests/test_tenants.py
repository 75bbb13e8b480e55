"""Keys are found by their hash, and only by the key itself."""

from datetime import UTC, datetime

from chassis.config.schema import Key, Limits, PreviousSecret, Scopes, Tenant
from chassis.config.units import Secret
from chassis.keys import generate_key, hash_key
from gateway_edge.callers.tenants import Authority

SECRET = "a-secret-of-enough-length"


def test_a_key_by_secret_and_a_key_by_hash_are_found() -> None:
    generated = generate_key()
    tenant = Tenant(
        name="acme", keys=[Key(name="ci", secret=Secret(SECRET)), Key(name="app", hash=hash_key(generated))]
    )
    authority = Authority([tenant])
    found = authority.find(SECRET)
    assert found is not None and (found.tenant, found.key) == ("acme", "ci")
    assert authority.find(generated).key == "app"


def test_the_hash_itself_never_authenticates() -> None:
    authority = Authority([Tenant(name="acme", keys=[Key(name="ci", hash=hash_key(SECRET))])])
    assert authority.find(hash_key(SECRET)) is None
    assert authority.find(hash_key(SECRET).removeprefix("sha256:")) is None


def test_a_pepper_must_be_the_one_that_the_hash_was_made_with() -> None:
    tenants = [Tenant(name="acme", keys=[Key(name="ci", hash=hash_key(SECRET, "pepper"))])]
    assert Authority(tenants, "pepper").find(SECRET) is not None
    assert Authority(tenants, "other").find(SECRET) is None
    assert Authority(tenants).find(SECRET) is None


def test_limits_bind_the_tenant_and_the_key_apart() -> None:
    key = Key(name="ci", secret=Secret(SECRET), limits=Limits(requests_per_minute=5))
    found = Authority([Tenant(name="acme", limits=Limits(requests_per_minute=10), keys=[key])]).find(SECRET)
    assert [(limit.subject, limit.rate.quantity) for limit in found.limits] == [
        (("tenant", "acme"), 10),
        (("key", "acme", "ci"), 5),
    ]


def test_a_key_that_is_no_ascii_is_nobodys() -> None:
    assert Authority([Tenant(name="acme", keys=[Key(name="ci", secret=Secret(SECRET))])]).find("\udcff" * 20) is None


def test_two_secrets_are_one_key_until_the_older_ones_end():
    """Rotation without downtime: neither has a limit of its own."""
    previous = PreviousSecret(hash=hash_key("the-older-secret"), until=datetime(2026, 6, 1, tzinfo=UTC))
    key = Key(
        name="ci", secret=Secret(SECRET), previous=previous, expires_at=datetime(2026, 12, 1, tzinfo=UTC),
        limits=Limits(requests_per_minute=5),
    )  # fmt: skip
    authority = Authority([Tenant(name="acme", keys=[key])])
    new, old = authority.find(SECRET), authority.find("the-older-secret")
    assert (new.tenant, new.key, new.limits) == (old.tenant, old.key, old.limits)
    assert [who.scope.valid_until for who in (new, old)] == [
        datetime(2026, month, 1, tzinfo=UTC).timestamp() for month in (12, 6)
    ]


def test_an_older_secret_does_not_outlive_its_key():
    end = datetime(2026, 5, 1, tzinfo=UTC)
    previous = PreviousSecret(secret=Secret("the-older-secret"), until=datetime(2026, 6, 1, tzinfo=UTC))
    key = Key(name="ci", secret=Secret(SECRET), previous=previous, expires_at=end)
    assert Authority([Tenant(name="acme", keys=[key])]).find("the-older-secret").scope.valid_until == end.timestamp()


def test_the_admin_key_is_found_by_its_hash_and_by_no_tenants_key():
    authority = Authority(
        [Tenant(name="acme", keys=[Key(name="ci", secret=Secret(SECRET))])], admin_hash=hash_key("root" * 5)
    )
    assert authority.find("root" * 5).is_admin
    assert not authority.find(SECRET).is_admin
    assert authority.find(hash_key("root" * 5)) is None


def test_keys_with_the_same_scopes_share_what_was_prepared_of_them():
    """A tenant may have thousands."""
    keys = [Key(name=f"k{n}", hash=hash_key(f"secret-{n}"), scopes=Scopes(models=["gpt-*"])) for n in range(3)]
    authority = Authority([Tenant(name="acme", keys=keys)])
    assert len({id(authority.find(f"secret-{n}").scope) for n in range(3)}) == 1


def test_metadata_is_the_tenants_and_the_keys_own_wins():
    key = Key(name="ci", secret=Secret(SECRET), metadata={"team": "a", "plan": "free"})
    found = Authority([Tenant(name="acme", keys=[key], metadata={"plan": "gold", "region": "eu"})]).find(SECRET)
    assert found.metadata == {"plan": "free", "region": "eu", "team": "a"}
