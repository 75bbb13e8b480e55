"""What is signed: the covered components, a line each (RFC 9421, section 2.5). Pure."""

from collections.abc import Callable

from chassis.errors import RunestoneError
from gateway_edge.auth.refusal import SIGNATURE, refusal
from gateway_edge.auth.signature_input import SignatureInput
from gateway_edge.call import Arrival

# Derived components (section 2.2). @scheme and @target-uri are not among them: a proxy in front knows, this process does not.
DERIVED: dict[str, Callable[[Arrival], str]] = {
    "@method": lambda arrival: arrival.method,
    "@path": lambda arrival: arrival.path,
    "@query": lambda arrival: f"?{arrival.query}",
    "@request-target": lambda arrival: f"{arrival.path}?{arrival.query}" if arrival.query else arrival.path,
    "@authority": lambda arrival: arrival.headers.get("host", "").lower(),
}


def signature_base(arrival: Arrival, given: SignatureInput) -> bytes:
    """The bytes that were signed if the request is as it was sent. Raises AUTHENTICATION_FAILED for a component that the
    request does not have, or that is not ASCII."""
    lines = [f'"{name}": {_component(arrival, name)}' for name in given.components]
    lines.append(f'"@signature-params": {given.parameters}')
    try:
        return "\n".join(lines).encode("ascii")
    except UnicodeEncodeError as error:
        raise _refuse("a covered component is not ASCII") from error


def _component(arrival: Arrival, name: str) -> str:
    """Header fields are as the parser left them: trimmed, those of one name joined by commas, none of them folded."""
    if name in DERIVED:
        return DERIVED[name](arrival)
    value = arrival.headers.get(name)
    if value is None:
        raise _refuse(f"the signature covers {name!r}, which the request does not have or this gateway does not know")
    return value


def _refuse(message: str) -> RunestoneError:
    return refusal(SIGNATURE, message)
