"""How channels to other services are opened: in the clear, unless `chassis.mesh_security` is asked to."""

from typing import Protocol

import grpc
import grpc.aio

from chassis.server import MAX_MESSAGE


def channel_options() -> list[tuple[str, int | str]]:
    """Message sizes, keepalive and back-off, the counterpart of `server.server_options`."""
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        ("grpc.max_send_message_length", MAX_MESSAGE),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.min_reconnect_backoff_ms", 2_000),  # how long an attempt may take: a pod that starts is short of CPU
        ("grpc.max_reconnect_backoff_ms", 500),
        ("grpc.lb_policy_name", "round_robin"),
        ("grpc.enable_retries", 0),  # retries are decided where it is known what was begun
    ]


class Dial(Protocol):
    """Opens channels to one service, wherever its replicas are."""

    @property
    def edition(self) -> object:
        """What a channel would be opened with now: another object than before calls for another channel."""

    def open(self, address: str) -> grpc.aio.Channel:
        """A channel; whoever asked for it closes it."""


class PlainDial:
    """In the clear."""

    edition: object = None

    def open(self, address: str) -> grpc.aio.Channel:
        """A channel to `unix:/path` or `host:port`."""
        return grpc.aio.insecure_channel(address, options=channel_options())

    def __repr__(self) -> str:
        return "PlainDial()"


PLAINLY = PlainDial()
