"""Units that users write, and secrets that nobody sees."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config import Duration, Secret, Settings, Size, decode, encode, parse_settings
from chassis.config.units import StoreUrl
from chassis.snapshots import snapshot_version

CANARY = "canary-0123456789"
WITH_SECRETS = f"""
edge: {{key_pepper: {CANARY}-pepper}}
cache: {{store: "redis://user:{CANARY}-cache@h:6379/0"}}
ratelimit: {{store: "rediss://:{CANARY}-limits@h"}}
providers: [{{name: openai, kind: openai, api_key: {CANARY}-provider, proxy: "http://user:{CANARY}-proxy@h:3128"}}]
tenants: [{{name: acme, keys: [{{name: ci, secret: {CANARY}-tenant}}]}}]
"""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("10m", 600),
        ("1h", 3600),
        ("1d", 86400),
        (2.5, 2.5),
        (0, 0),
        ("1_000s", 1000),
        ("1.5 m", 90),
    ],
)
def test_durations_are_seconds(text, seconds):
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 64 << 20),
        ("4KiB", 4096),
        ("1GiB", 1 << 30),
        ("10MB", 10**7),
        ("1.5KiB", 1536),
        (7, 7),
        ("7", 7),
        ("7B", 7),
    ],
)
def test_sizes_are_bytes(text, size):
    assert Size.parse(text) == size


@pytest.mark.parametrize("kind", [Duration, Size])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "s",
        "-1s",
        -1,
        "1 week",
        "1s2",
        "1mib",
        "0x10",
        True,
        None,
        [],
        float("nan"),
        float("inf"),
        "9" * 400,
        10**400,
    ],
)
def test_what_has_no_meaning_is_refused_with_the_forms_that_do(kind, value):
    with pytest.raises(ValueError, match=r"Expected a (duration|size) such as"):
        kind.parse(value)


@given(st.text(min_size=1))
def test_a_secret_shows_itself_to_nobody_but_who_asks(value):
    secret = Secret(value)
    assert (repr(secret), str(secret), f"{secret}", secret.reveal()) == ("***", "***", "***", value)
    assert secret == Secret(value)
    assert secret != Secret(f"{value}!")


def test_no_secret_is_in_what_is_shown():
    """Neither as `repr`, for logs and tracebacks, nor as `config show`; stores' and proxies' passwords are secrets too."""
    settings = parse_settings(WITH_SECRETS, environment={})
    assert CANARY not in repr(settings)
    assert CANARY not in encode(settings, reveal=False).decode()
    assert b'"redis://user:***@h:6379/0"' in encode(settings, reveal=False)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        (f"redis+cluster://user:{CANARY}@a:1,b:2", "redis+cluster://user:***@a:1,b:2"),
        (f"rediss+cluster://:{CANARY}@a,b", "rediss+cluster://:***@a,b"),
        (f"redis+cluster://:{CANARY}@{CANARY}@a,b", "redis+cluster://:***@a,b"),
        ("redis+cluster://a,b", "redis+cluster://a,b"),
    ],
)
def test_a_clusters_password_is_masked_and_its_hosts_are_not(url, masked):
    assert StoreUrl(url).masked == masked


def test_every_secret_is_in_what_services_are_sent():
    settings = parse_settings(WITH_SECRETS, environment={})
    document = encode(settings, reveal=True)
    assert document.count(CANARY.encode()) == 6
    assert decode(document) == settings


def test_a_refused_configuration_does_not_show_its_secrets():
    with pytest.raises(Exception, match="is missing") as caught:
        parse_settings(f"{WITH_SECRETS}models: [{{}}]\naudit: {{store: 'redis://:{CANARY}@h'}}", environment={})
    assert CANARY not in str(caught.value)


def test_equal_configurations_have_equal_versions_and_a_secret_makes_a_difference():
    settings = parse_settings(WITH_SECRETS, environment={})
    again = decode(encode(settings, reveal=True))
    other = msgspec.structs.replace(settings, edge=msgspec.structs.replace(settings.edge, key_pepper=Secret("other")))
    assert snapshot_version(settings) == snapshot_version(again)
    assert snapshot_version(settings) != snapshot_version(other)


def test_settings_cannot_be_changed():
    with pytest.raises(AttributeError):
        Settings().cache.enabled = False
