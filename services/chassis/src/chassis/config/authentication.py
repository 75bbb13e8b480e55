"""The `authentication` section: credentials beside API keys, and whose they are.

Everyone has a tenant. `key` is the name under which their calls are limited and recorded; a key of that name which the
tenant has brings its scopes and limits.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from chassis.config.units import Duration, Secret

KeyName = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[!-~]+\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=1024)]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]


class Signer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signs requests: with a `secret` (hmac-sha256) or a private key of which `public_key` is the other half (ed25519; PEM,
    or 32 bytes in base64). `admin: true` instead of a tenant: what it signs counts as sent with the admin key."""

    keyid: KeyName
    algorithm: Literal["hmac-sha256", "ed25519"]
    secret: Secret | None = None
    public_key: str | None = None
    tenant: Text | None = None
    key: KeyName | None = None
    admin: bool = False


class Signatures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signed requests (RFC 9421). A signature is good for `window` after it was made; no two clocks differ by more than
    `clock_skew`."""

    window: Duration = Duration(300)
    clock_skew: Duration = Duration(30)
    signers: list[Signer] = []


class Issuer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who issues JWTs, by the claim `iss`. Its keys are a JWKS: fetched from `jwks_url` and again every `refresh`, or written as
    `jwks`. The tenant is `tenant`, or what the claim `tenant_claim` names, out of `tenants` (empty: out of all)."""

    issuer: Text
    audiences: list[Text]
    algorithms: list[Algorithm] = field(default_factory=lambda: ["RS256", "ES256"])
    jwks_url: str | None = None
    jwks: str | None = None
    refresh: Duration = Duration(600)
    leeway: Duration = Duration(30)
    tenant: Text | None = None
    tenant_claim: Text | None = None
    tenants: list[Text] = []
    key_claim: Text = "sub"


class Jwt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bearer tokens that somebody else issues (RFC 7519)."""

    issuers: list[Issuer] = []


class CertifiedClient(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who shows a client certificate to the proxy in front: by its `uri` (a SPIFFE id; `/*` at the end stands for any path below)
    or its `subject`, as the proxy writes it."""

    uri: Text | None = None
    subject: Text | None = None
    tenant: Text
    key: KeyName


class Mtls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Client certificates, as a proxy of `edge.http.trusted_proxies` names them in `x-forwarded-client-cert`."""

    clients: list[CertifiedClient] = []


class Authentication(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The kinds of credentials taken beside API keys; each is taken when somebody is named who has some."""

    signatures: Signatures = Signatures()
    jwt: Jwt = Jwt()
    mtls: Mtls = Mtls()
