"""What `Signature-Input` and `Signature` say (RFC 9421, section 4). Pure.

One signature a request, and nothing in it that is not understood here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from chassis.errors import RunestoneError
from gateway_edge.auth.refusal import SIGNATURE, refusal
from gateway_edge.auth.structured import Member, read_dictionary, serialize

INPUT, VALUE = "signature-input", "signature"
MOST_COMPONENTS = 64

# The parameters that are understood, and what each must be (RFC 9421, section 2.3).
PARAMETERS: dict[str, type] = {"created": int, "expires": int, "nonce": str, "keyid": str, "alg": str, "tag": str}


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """One signature, what it covers, and what it says of itself: `values` by the names in PARAMETERS, `parameters` as the last
    line of what is signed has them."""

    components: tuple[str, ...]
    values: Mapping[str, Any]
    parameters: str
    signature: bytes

    @property
    def created(self) -> int:
        """When it was made, in seconds since the epoch; only after `check_terms`, as `keyid` and `nonce`."""
        return cast("int", self.values["created"])

    @property
    def keyid(self) -> str:
        """Whose key made it."""
        return cast("str", self.values["keyid"])

    @property
    def nonce(self) -> str:
        """What no other signature of the key has."""
        return cast("str", self.values["nonce"])


def read_signature(headers: Mapping[str, str]) -> SignatureInput:
    """The signature of a request that has at least one of the two headers. Raises AUTHENTICATION_FAILED when it is not
    exactly one, or not as it must be."""
    try:
        inputs = read_dictionary(headers.get(INPUT, ""))
        values = read_dictionary(headers.get(VALUE, ""))
    except ValueError as error:
        raise _refuse(f"the headers {INPUT} and {VALUE} must be dictionaries of RFC 9651, with no key twice") from error
    if len(inputs) != 1 or inputs.keys() != values.keys():
        raise _refuse(f"the headers {INPUT} and {VALUE} must hold one signature, under one label")
    ((label, member),) = inputs.items()
    signature, _ = values[label]
    if not isinstance(signature, bytes):
        raise _refuse(f"the header {VALUE} must hold bytes: {label}=:<base64>:")
    return _read_input(member, signature)


def _read_input(member: Member, signature: bytes) -> SignatureInput:
    listed, given = member
    if not isinstance(listed, list) or len(listed) > MOST_COMPONENTS:
        raise _refuse(f"{INPUT} must list what is covered, at most {MOST_COMPONENTS} components")
    components = tuple(_read_component(item) for item in cast("list[Member]", listed))
    if len(set(components)) != len(components):
        raise _refuse("a component is covered twice")
    return SignatureInput(components, _read_parameters(given), serialize(member), signature)


def _read_component(item: Member) -> str:
    name, parameters = item
    if not isinstance(name, str):
        raise _refuse("covered components must be strings")
    if parameters:  # sf, key, bs, tr, req, name: what they read, @query and whole fields cover in one way only
        raise _refuse(f"components with parameters are not taken; cover the whole of {name!r}")
    return name


def _read_parameters(given: Mapping[str, object]) -> dict[str, Any]:
    for name, value in given.items():
        if type(value) is not PARAMETERS.get(name):
            raise _refuse(f"the signature's parameter {name!r} is not known here, or of the wrong type")
    return dict(given)


def _refuse(message: str) -> RunestoneError:
    return refusal(SIGNATURE, message)
