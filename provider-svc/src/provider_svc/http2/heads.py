"""The head of a request, from HTTP/1.1's form into HTTP/2's (RFC 9113, section 8.3)."""

import logging

from hpack import HeaderTuple, NeverIndexedHeaderTuple

logging.getLogger("hpack").setLevel(logging.INFO)  # its debug messages hold whole heads, keys included

# What no compression table may hold, in whichever process (RFC 7541, section 7.1.3).
SECRET = frozenset({b"authorization", b"x-api-key", b"api-key", b"cookie", b"proxy-authorization"})
# What belongs to a connection of HTTP/1.1 (RFC 9113, section 8.2.2).
OF_A_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}
)


def translate_head(head: bytes) -> list[HeaderTuple]:
    """The fields of a head that `http1.request.RequestForm` has written, and checked: the pseudo-header fields, then the others."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, _ = first.split(b" ")
    authority = b""
    fields: list[HeaderTuple] = []
    for line in lines:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if name == b"host":
            authority = value
        elif name in SECRET:
            fields.append(NeverIndexedHeaderTuple(name, value))
        elif name not in OF_A_CONNECTION:
            fields.append(HeaderTuple(name, value))
    return [
        HeaderTuple(b":method", method),
        HeaderTuple(b":scheme", b"https"),
        HeaderTuple(b":authority", authority),
        HeaderTuple(b":path", target),
        *fields,
    ]
