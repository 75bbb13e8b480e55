"""Who signs, and whether a signature is theirs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from chassis.config.authentication import Signer as SignerSettings
from chassis.ed25519 import read_public_key
from gateway_edge.callers.tenants import ADMIN, Authority, Principal

Verify = Callable[[bytes, bytes], bool]  # signature base and signature to whether it holds


@dataclass(frozen=True, slots=True)
class Signer:
    """One key id: the one algorithm that it is used with (a signature that names another is no good), whom it stands for."""

    algorithm: str
    principal: Principal
    verify: Verify = field(repr=False)


def list_signers(configured: Iterable[SignerSettings], authority: Authority) -> dict[str, Signer]:
    """The signers of a snapshot by key id; one whose tenant is not there is left out."""
    signers: dict[str, Signer] = {}
    for one in configured:
        principal = _principal(one, authority)
        if principal is not None:
            signers[one.keyid] = Signer(one.algorithm, principal, _verifier(one))
    return signers


def _principal(one: SignerSettings, authority: Authority) -> Principal | None:
    if one.admin:
        return replace(ADMIN, key=one.keyid)
    return authority.member(one.tenant or "", one.key or one.keyid)


def _verifier(one: SignerSettings) -> Verify:
    if one.algorithm == "ed25519":
        return verify_ed25519(read_public_key(one.public_key or ""))
    return verify_hmac(one.secret.reveal().encode() if one.secret else b"")


def verify_hmac(secret: bytes) -> Verify:
    """hmac-sha256 (RFC 9421, section 3.3.3), compared in constant time. Raises ValueError without a secret."""
    if not secret:
        raise ValueError("an empty secret is everybody's")
    keyed = HMAC(secret, SHA256())

    def verify(base: bytes, signature: bytes) -> bool:
        mac = keyed.copy()
        mac.update(base)
        return _holds(lambda: mac.verify(signature))

    return verify


def verify_ed25519(public_key: bytes) -> Verify:
    """ed25519 (RFC 9421, section 3.3.6)."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return lambda base, signature: _holds(lambda: key.verify(signature, base))


def _holds(check: Callable[[], None]) -> bool:
    try:
        check()
    except InvalidSignature:
        return False
    return True
