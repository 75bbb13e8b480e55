"""Close codes (RFC 6455, section 7.4), and what they mean here. Pure."""

from chassis.errors import Reason, RunestoneError
from gateway_edge.door.errors import http_status

PATH = "/v1/realtime"

NORMAL, GOING_AWAY, NONE, LOST, REFUSED, FAILED, AGAIN = 1000, 1001, 1005, 1006, 1008, 1011, 1013
WELL = frozenset({NORMAL, GOING_AWAY, NONE})  # how a session ends that nothing befell
UNSENT = {NONE: NORMAL, LOST: FAILED, 1015: FAILED}  # codes that stand in no frame, and what is sent for them
LEAST_SERVER_STATUS, TOO_MANY = 500, 429


def code_to_send(code: int) -> int:
    """What tells the other side of `code`."""
    return UNSENT.get(code, code)


def code_of_error(error: RunestoneError) -> int:
    """What a session is closed with that failed. Who is told 1008 need not come back; OpenAI's SDK comes back after 1011 and 1013."""
    if error.reason is Reason.DEADLINE_EXCEEDED:
        return GOING_AWAY
    status = http_status(error)
    if status == TOO_MANY or error.retry_after is not None:
        return AGAIN
    return FAILED if status >= LEAST_SERVER_STATUS else REFUSED


def read_end(code: int, reason: str, *, is_created: bool) -> RunestoneError | None:
    """What the provider's end of a session says of it: None when it went well. One that had not begun was refused, whatever the code."""
    said = f"the provider closed the session with {code}{f': {reason[:200]}' if reason else ''}"
    if not is_created:
        return RunestoneError(Reason.PROVIDER_FAILED, f"{said}, before it had begun")
    if code in WELL:
        return None
    return RunestoneError(Reason.PROVIDER_STREAM_CUT if code == LOST else Reason.PROVIDER_FAILED, said)
