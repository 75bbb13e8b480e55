"""What a client may not say of itself: headers that would steer Envoy, or name another caller than the one that Envoy sees. Pure.

Envoy drops its own headers from callers that it takes for external, and takes every private address for an internal one. Nobody in front
of it is.
"""

from launcher.envoy.anytype import extension
from launcher.envoy.site import Document

STEERING = "x-envoy-"
# Envoy appends to `x-forwarded-for`, and an edge believes what stands there of Envoy's hand. It would refuse a request in which another
# header names another client.
CALLERS = ("forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip")


def drop_claims() -> list[Document]:
    """Taken away before anything is read of a request."""
    mutations: list[Document] = [{"remove_on_match": {"key_matcher": {"prefix": STEERING, "ignore_case": True}}}]
    mutations += [{"remove": name} for name in CALLERS]
    return [
        extension(
            "http.early_header_mutation.header_mutation",
            "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            mutations=mutations,
        )
    ]
