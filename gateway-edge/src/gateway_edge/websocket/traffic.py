"""What is counted of the messages of one path."""

from msgspec import Struct

from chassis.metric_families import Count


class Traffic(Struct, frozen=True):
    """Messages that clients sent, and that they were sent."""

    received: Count
    sent: Count
