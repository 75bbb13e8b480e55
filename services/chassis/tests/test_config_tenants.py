"""Every key is somebody's alone, and a scope or limit that means nothing is refused where it stands."""

from datetime import UTC, datetime

import pytest

from chassis.config import ConfigError, parse_settings

HASH, OTHER = f"sha256:{'0' * 64}", f"sha256:{'1' * 64}"


def problems_of(*keys: str, tenant: str = "name: acme", edge: str = "") -> list[str]:
    text = f"edge: {{{edge}}}\ntenants:\n- {tenant}\n  keys:\n" + "".join(f"  - {key}\n" for key in keys)
    try:
        parse_settings(text, environment={})
    except ConfigError as error:
        return list(map(str, error.problems))
    return []


def test_everything_that_a_key_may_say_is_accepted():
    settings = parse_settings(f"""
    tenants:
      - name: acme
        metadata: {{plan: gold}}
        scopes: {{models: ["gpt-*"], endpoints: ["/v1/*"], pipelines: [cached], addresses: [10.0.0.0/8, "fd00::/8"]}}
        limits:
          per: [{{models: ["gpt-4*"], endpoints: [/v1/chat/completions], requests_per_minute: 60}}]
        keys:
          - name: ci
            hash: {HASH}
            previous: {{hash: {OTHER}, until: 2027-01-31T12:00:00+02:00}}
            expires_at: "2027-02-28T00:00:00Z"
            created_at: 2026-01-31T12:00:00Z
            scopes: {{models: [gpt-4o], endpoints: ["/v1/models/{{id}}"], pipelines: [cached], addresses: [192.0.2.7]}}
            metadata: {{team: platform}}
    """)
    (key,) = settings.tenants[0].keys
    assert key.expires_at == datetime(2027, 2, 28, tzinfo=UTC)
    assert key.previous is not None
    assert key.previous.until == datetime(2027, 1, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (f"{{name: a, hash: {HASH}, expires_at: 2027-01-31}}", "expires_at: Expected `datetime | null`, got `date`"),
        (f"{{name: a, hash: {HASH}, expires_at: 2027-01-31T12:00:00}}", "expires_at: Expected `datetime` with a timezone"),
        (f"{{name: a, hash: {HASH}, previous: {{hash: {OTHER}}}}}", "previous: `until` is missing"),
        (f"{{name: a, hash: {HASH}, previous: {{until: 2027-01-31T12:00:00Z}}}}", "previous: needs either `secret` or"),
        (f"{{name: a, secret: '{HASH}'}}", "secret: is a hash, which would then be a key itself; write it as `hash`"),
        (f"{{name: a, hash: {HASH}, scopes: {{addresses: [10.0.0.1/8]}}}}", "scopes.addresses[0]: must be an IP address"),
        (f'{{name: a, hash: {HASH}, scopes: {{rooms: [lobby, "room:lobby"]}}}}', "scopes.rooms[1]: is a topic"),
        (f"{{name: a, hash: {HASH}, scopes: {{endpoints: [/v1/chat]}}}}", "scopes.endpoints[0]: '/v1/chat' is no endpoint"),
        (f"{{name: a, hash: {HASH}, scopes: {{models: ['']}}}}", "scopes.models[0]: Expected `str` of length >= 1"),
        (
            f"{{name: a, hash: {HASH}, limits: {{per: [{{requests_per_minute: 1}}]}}}}",
            "limits.per[0]: needs `models`, `endpoints` or both",
        ),
        (
            f"{{name: a, hash: {HASH}, limits: {{per: [{{models: [a]}}]}}}}",
            "limits.per[0]: `requests_per_minute` is missing",
        ),
        (
            f"{{name: a, hash: {HASH}, limits: {{per: [{{endpoints: [/v1/models], requests_per_minute: 1}}]}}}}",
            "limits.per[0].endpoints[0]: '/v1/models' is no endpoint",
        ),
        (
            f"{{name: a, hash: {HASH}, limits: {{per: [{{models: [a, b], requests_per_minute: 1}}, {{models: [b, a], requests_per_minute: 2}}]}}}}",
            "limits.per[1]: binds the same models and endpoints as one before it",
        ),
        (
            f"{{name: a, hash: {HASH}, limits: {{per: [{', '.join(f'{{models: [m{n}], requests_per_minute: 1}}' for n in range(13))}]}}}}",
            "limits.per: must be at most 12",
        ),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_where_it_stands(key, problem):
    (found,) = problems_of(key)
    assert found.startswith(f"line 5: tenants[0].keys[0].{problem}")


def test_a_key_chooses_no_pipeline_that_its_tenant_may_not():
    key = f"{{name: a, hash: {HASH}, scopes: {{pipelines: [streaming]}}}}"
    assert problems_of(key) == []
    (found,) = problems_of(key, tenant="name: acme\n  scopes: {pipelines: [cached]}")
    assert found.endswith("scopes.pipelines[0]: 'streaming' is not in the tenant's own `scopes.pipelines`")


def test_no_two_secrets_are_the_same_whoever_holds_them():
    secret = "s" * 16
    current = f"{{name: a, secret: {secret}}}"
    former = f"{{name: b, hash: {HASH}, previous: {{secret: {secret}, until: 2027-01-31T12:00:00Z}}}}"
    assert problems_of(current, former) == ["line 6: tenants[0].keys[1].previous: is the same key as acme/a"]
    assert problems_of(current, edge=f"admin: {{key: {secret}}}") == [
        "line 5: tenants[0].keys[0]: is the same key as the admin key"
    ]


@pytest.mark.parametrize("name", ["admin", "anonymous"])
def test_a_name_that_the_edge_gives_itself_is_no_tenants(name):
    """Or its answers and records would be theirs."""
    (found,) = problems_of(f"{{name: a, hash: {HASH}}}", tenant=f"name: {name}")
    assert "is reserved" in found


def test_the_admin_key_is_one_key_and_well_formed():
    key = f"{{name: a, hash: {HASH}}}"
    assert problems_of(key, edge=f"admin: {{key: {'k' * 16}, key_hash: {OTHER}}}")[0].endswith(
        "edge.admin: needs either `key` or `key_hash`"
    )
    assert "edge.admin.key: must be 16 to 256" in problems_of(key, edge="admin: {key: short}")[0]
    assert "edge.admin.key_hash: must be sha256:" in problems_of(key, edge="admin: {key_hash: abc}")[0]
