"""Who somebody is by the names in a certificate. Pure.

A workload has a SPIFFE ID, `spiffe://<trust domain>/runestone/<service>`, as the only URI among the certificate's alternative names
(X.509-SVID, https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md). Where an authority writes no URIs, the DNS name
`<service>.<trust domain>` says the same.
"""

import re
from collections.abc import Iterable, Sequence

# https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md#2-spiffe-identity
_SPIFFE_ID = re.compile(r"spiffe://(?P<domain>[a-z0-9._-]{1,255})(?P<path>(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)*)")
LONGEST_ID = 2048  # bytes, as the standard has it
FOLDER = "/runestone/"
SERVICE = re.compile(r"[a-z][a-z0-9-]{0,62}")  # a DNS label


def read_identity(uris: Sequence[str], dns_names: Iterable[str], trust_domain: str) -> str:
    """`edge` for a service of `trust_domain`, the whole SPIFFE ID for anything else that has one, "" for somebody without a name.

    Two URIs, or DNS names of two services, are no name: nobody is two.
    """
    if uris:
        return shorten(uris[0], trust_domain) if len(uris) == 1 and is_spiffe_id(uris[0]) else ""
    names = {name for dns_name in dns_names if (name := _service_of(dns_name, trust_domain))}
    return names.pop() if len(names) == 1 else ""


def is_spiffe_id(text: str) -> bool:
    """Whether it is a well-formed SPIFFE ID."""
    return len(text) <= LONGEST_ID and _SPIFFE_ID.fullmatch(text) is not None


def shorten(spiffe_id: str, trust_domain: str) -> str:
    """The name of a service of `trust_domain`; any other ID stays whole, so that it can never be taken for a service."""
    name = spiffe_id.removeprefix(f"spiffe://{trust_domain}{FOLDER}")
    return name if name != spiffe_id and SERVICE.fullmatch(name) else spiffe_id


def spiffe_id(service: str, trust_domain: str) -> str:
    """What a service's certificate says that it is."""
    return f"spiffe://{trust_domain}{FOLDER}{service}"


def dns_name(service: str, trust_domain: str) -> str:
    """The name that callers expect in a service's certificate, whatever address they dial."""
    return f"{service}.{trust_domain}"


def _service_of(name: str, trust_domain: str) -> str:
    service = name.lower().removesuffix(f".{trust_domain}")
    return service if service != name.lower() and SERVICE.fullmatch(service) else ""
