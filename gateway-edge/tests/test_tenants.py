"""Keys are found by their hash, and only by the key itself."""

from chassis.config.schema import Key, Limits, Tenant
from chassis.config.units import Secret
from chassis.keys import generate_key, hash_key
from gateway_edge.tenants import Authority

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
