"""`runestone serve`: where a service on its own listens and finds its peers."""

from pathlib import Path

import pytest

from chassis.config import parse_settings
from launcher.serving import find_listen, find_peer
from launcher.topology import TOPOLOGY

NODES = {node.name: node for node in TOPOLOGY}
RUN = Path("/run/r")


@pytest.mark.parametrize(
    ("name", "text", "address"),
    [
        ("cache", "", "127.0.0.1:50051"),
        ("ratelimit", "", "127.0.0.1:50052"),
        ("provider", "mesh: {provider: {listen: 0.0.0.0}}", "0.0.0.0:50053"),
        ("audit", "mesh: {audit: {listen: 0.0.0.0:9}}", "0.0.0.0:9"),
        ("audit", "mesh: {audit: {listen: unix:/run/a.sock}}", "unix:/run/a.sock"),
        ("edge", "", "unix:/run/r/edge.sock"),
    ],
)
def test_it_listens_where_the_configuration_says(name, text, address):
    assert find_listen(NODES[name], parse_settings(text), RUN) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", "127.0.0.1:50051"),
        ("mesh: {cache: {endpoints: [cache.mesh]}}", "cache.mesh:50051"),
        ("mesh: {cache: {endpoints: [10.0.0.1, 10.0.0.2]}}", "ipv4:10.0.0.1:50051,10.0.0.2:50051"),
    ],
)
def test_it_finds_its_peers_by_their_endpoints(text, address):
    assert find_peer("cache", parse_settings(text)) == address
