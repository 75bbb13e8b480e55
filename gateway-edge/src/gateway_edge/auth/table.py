"""Which kinds of credentials are taken, by what the configuration names.

What a kind needs is imported when there is somebody who has it: the libraries take 15 MiB and a fifth of a second.
"""

from chassis.config.authentication import Issuer as IssuerSettings
from chassis.config.authentication import Signatures
from gateway_edge.auth.api_key import ApiKey
from gateway_edge.auth.client_certificate import ClientCertificate
from gateway_edge.auth.credentials import Credentials
from gateway_edge.callers.tenants import Authority
from gateway_edge.peers import Peers
from gateway_edge.policy import Policy


def lay_credentials(policy: Policy, peers: Peers) -> list[Credentials]:
    """The kinds that one policy takes."""
    authority, given = policy.authority, policy.settings.authentication
    kinds: list[Credentials] = [ApiKey(authority, leaves_tokens=bool(given.jwt.issuers))]
    if given.signatures.signers:
        kinds.append(_signatures(given.signatures, authority, peers))
    if given.jwt.issuers:
        kinds.append(_tokens(given.jwt.issuers, authority, peers))
    if given.mtls.clients:
        kinds.append(ClientCertificate(given.mtls.clients, authority))
    return kinds


def _signatures(given: Signatures, authority: Authority, peers: Peers) -> Credentials:
    from gateway_edge.auth.message_signature import MessageSignature  # noqa: PLC0415  only where it is needed
    from gateway_edge.auth.signers import list_signers  # noqa: PLC0415  only where it is needed

    signers = list_signers(given.signers, authority)
    return MessageSignature(signers, peers.nonces, peers.clock, window=given.window, clock_skew=given.clock_skew)


def _tokens(issuers: list[IssuerSettings], authority: Authority, peers: Peers) -> Credentials:
    from gateway_edge.auth.access_token import AccessToken, Issuer  # noqa: PLC0415  only where it is needed

    known = {issuer.issuer: Issuer.of(issuer, peers.key_sources.find(issuer)) for issuer in issuers}
    return AccessToken(known, authority, peers.clock)
