"""What a new snapshot takes away, and the calls that end for it."""

import pytest

from chassis.config import parse_settings
from chassis.errors import Reason
from chassis.snapshots import Snapshot, SnapshotFeed, snapshot_version
from gateway_edge.callers.revocation import Revocation
from gateway_edge.callers.tenants import ADMIN, ANONYMOUS
from gateway_edge.door.ways import Ways
from gateway_edge.middleware.base import Pipeline
from gateway_edge.policy import Policy

KEY, OTHER, NEW = "acme-key-0123456789", "other-key-0123456789", "new-key-01234567890"
BOTH = """
edge: {end_revoked_streams: true}
tenants:
  - {name: acme, keys: [{name: ci, secret: acme-key-0123456789}]}
  - {name: other, keys: [{name: ci, secret: other-key-0123456789}]}
"""
WITHOUT_KEY = BOTH.replace("acme-key-0123456789", "new-key-01234567890")
WITHOUT_TENANT = "\n".join(line for line in BOTH.splitlines() if "acme" not in line)


def snapshot_of(text: str) -> Snapshot:
    settings = parse_settings(text)
    return Snapshot(snapshot_version(settings), settings)


class Edge:
    """Running calls, and those that a change of the configuration ended."""

    def __init__(self, *running) -> None:
        self.running, self.ended = running, []
        self.feed = SnapshotFeed(snapshot_of(BOTH))
        ways = self.feed.follow(lambda snapshot: Ways(Policy.of(snapshot, 0.0), {}, Pipeline([])))
        self.feed.watch(Revocation(ways, self.end_where))

    def end_where(self, is_meant, error) -> None:
        self.ended += [(call, error) for call in self.running if is_meant(call)]

    def publish(self, text: str) -> list:
        """The calls that it ended."""
        self.feed.publish(snapshot_of(text))
        return [call for call, _ in self.ended]


@pytest.fixture
def call_with(make_call):
    def make(key: str | None, tenant: str = "acme"):
        return make_call(tenant=tenant, headers={"authorization": f"Bearer {key}"} if key else {})

    return make


def test_a_key_that_means_nobody_any_more_ends_its_calls(call_with):
    revoked, other = call_with(KEY), call_with(OTHER, "other")
    edge = Edge(revoked, other)
    assert edge.publish(WITHOUT_KEY) == [revoked]
    error = edge.ended[0][1]
    assert (error.reason, error.code) == (Reason.AUTHENTICATION_FAILED, "revoked_api_key")


def test_a_tenant_that_is_gone_takes_all_its_calls_along(call_with):
    """Whatever they were authenticated by."""
    by_key, by_something_else = call_with(KEY), call_with(None)
    edge = Edge(by_key, by_something_else, call_with(OTHER, "other"))
    assert edge.publish(WITHOUT_TENANT) == [by_key, by_something_else]


def test_a_key_is_revoked_whichever_header_it_came_in(make_call):
    calls = [make_call(headers={name: KEY}) for name in ("x-api-key", "api-key")]
    assert Edge(*calls).publish(WITHOUT_KEY) == calls


def test_other_credentials_stand_as_long_as_their_tenant_does(make_call, call_with):
    token = call_with("a.json.web-token-that-is-no-key")
    signed = make_call(headers={"authorization": "Signature keyid=1"})
    assert Edge(token, signed).publish(WITHOUT_KEY) == []


def test_nothing_ends_where_nobody_asked_for_it(call_with):
    edge = Edge(call_with(KEY))
    assert edge.publish(WITHOUT_KEY.replace("true", "false")) == []


def test_a_key_that_another_snapshot_brings_stands_until_it_is_gone_again(call_with):
    later = call_with(NEW)
    edge = Edge(later)
    assert edge.publish(WITHOUT_KEY) == []
    assert edge.publish(BOTH) == [later]


def test_who_has_no_key_to_revoke_goes_on(make_call):
    calls = [make_call(is_bare=True), make_call(), make_call()]
    calls[1].principal, calls[2].principal = ANONYMOUS, ADMIN
    assert Edge(*calls).publish(WITHOUT_TENANT) == []
