"""What travels beside a call's request."""

from collections.abc import Sequence

Metadata = Sequence[tuple[str, str | bytes]]


# Calls with the same key go to the same replica. It has done its work when one is chosen, and never leaves the process.
ROUTE_KEY = "runestone-route-key-bin"

# The version of the snapshot that the call began with, to services that follow snapshots.
VERSION = "runestone-snapshot"
