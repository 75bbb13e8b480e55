"""For how long a call lasts that nobody follows or that is paused, as its request says."""

import math

from google.protobuf.duration_pb2 import Duration

from chassis.errors import Reason, RunestoneError
from runestone.provider.v1.provider_pb2 import CallRequest


def read_resume_window(request: CallRequest, longest: float) -> float:
    """In seconds; 0 for a call that ends when it is left. Raises INVALID_REQUEST for what is negative or longer than `longest`."""
    if not request.HasField("resume_window"):
        return 0.0
    seconds = _seconds(request.resume_window)
    if not 0 <= seconds <= longest:
        raise _refused(f"resume_window is {seconds:g} s; 0 to {longest:g} s were expected", "resume_window")
    return seconds


def read_pause_window(request: CallRequest) -> float:
    """In seconds; infinite for a call that may be paused for as long as it runs. Raises INVALID_REQUEST for what is not positive."""
    if not request.HasField("pause_window"):
        return math.inf
    seconds = _seconds(request.pause_window)
    if seconds <= 0:
        raise _refused(f"pause_window is {seconds:g} s; leave it out, or say for how long", "pause_window")
    return seconds


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _refused(message: str, param: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, message, param=param)
