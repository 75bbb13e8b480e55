"""How credentials are refused: 401, and a code that a program can tell apart. No message holds what was sent."""

from chassis.errors import Reason, RunestoneError

KEY = "invalid_api_key"
SIGNATURE = "invalid_signature"
REPLAYED = "replayed_request"
TOKEN = "invalid_token"  # noqa: S105  a code, no token
EXPIRED = "expired_token"
CERTIFICATE = "invalid_certificate"
AMBIGUOUS = "ambiguous_credentials"


def refusal(code: str, message: str) -> RunestoneError:
    """AUTHENTICATION_FAILED with `code`."""
    return RunestoneError(Reason.AUTHENTICATION_FAILED, message, code=code)
