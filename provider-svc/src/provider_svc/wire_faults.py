"""What goes wrong on the way to a provider, in the mesh's words. Messages name the provider, never its address."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Never

import aiohttp

from chassis.errors import Reason, RunestoneError


@contextmanager
def opening(name: str, connect: float, first_byte: float) -> Iterator[None]:
    """Translates what can go wrong before an answer has begun; `connect` and `first_byte` are the timeouts in seconds."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as exc:
        raise timed_out(name, f"did not accept a connection within {connect:g} s (connect timeout)") from exc
    except aiohttp.ClientConnectorError as exc:
        raise RunestoneError(Reason.PROVIDER_UNREACHABLE, f"cannot connect to provider {name}: {_why(exc)}") from exc
    except (aiohttp.ClientConnectionError, ConnectionError) as exc:
        raise RunestoneError(
            Reason.PROVIDER_UNREACHABLE, f"provider {name} closed the connection before it answered"
        ) from exc
    except TimeoutError as exc:
        raise timed_out(name, f"did not begin to answer within {first_byte:g} s (first-byte timeout)") from exc
    except (aiohttp.ClientError, ValueError) as exc:
        _raise_invalid(name, exc)


def _why(exc: aiohttp.ClientConnectorError) -> str:
    """The system's words for it, without the address: that is the operator's business, not the client's."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not valid"
    number = exc.os_error.errno
    return os.strerror(number) if number and number > 0 else exc.os_error.strerror or type(exc.os_error).__name__


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Translates what can go wrong in the middle of an answer."""
    try:
        yield
    except aiohttp.ClientPayloadError as exc:
        if isinstance(exc.__cause__, aiohttp.http_exceptions.ContentEncodingError):
            _raise_invalid(name, exc)
        raise _cut_off(name) from exc
    except (aiohttp.ClientConnectionError, ConnectionError) as exc:
        raise _cut_off(name) from exc
    except aiohttp.ClientError as exc:
        _raise_invalid(name, exc)


def _raise_invalid(name: str, exc: Exception) -> Never:
    raise RunestoneError(
        Reason.PROVIDER_INVALID_ANSWER, f"provider {name} answered with something that is not HTTP as announced"
    ) from exc


def _cut_off(name: str) -> RunestoneError:
    return RunestoneError(
        Reason.PROVIDER_STREAM_CUT, f"provider {name} closed the connection before the end of its answer"
    )


def timed_out(name: str, what: str) -> RunestoneError:
    """PROVIDER_TIMEOUT; `what` says what the provider did not do, and which timeout that was."""
    return RunestoneError(Reason.PROVIDER_TIMEOUT, f"provider {name} {what}")
