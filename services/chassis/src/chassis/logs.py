"""One structured line per event: JSON for machines, aligned text on a terminal."""

import logging
import sys
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

from chassis.context import current

Logger = structlog.typing.FilteringBoundLogger
EventDict = structlog.typing.EventDict


def configure(*, level: str = "info", as_json: bool | None = None) -> None:
    """Sets the process's log format once. `as_json` None: JSON unless stderr is a terminal."""
    use_json = not sys.stderr.isatty() if as_json is None else as_json
    renderer: Any = structlog.processors.JSONRenderer() if use_json else structlog.dev.ConsoleRenderer(pad_event_to=0)
    structlog.configure(
        processors=[
            _add_version,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=use_json),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _StandardError())),
        cache_logger_on_first_use=False,
    )


def _add_version(_logger: object, _method: str, event: EventDict) -> EventDict:
    """What is said during a call names the snapshot that the call began with."""
    if version := current().version:
        event.setdefault("version", version)
    return event


class _StandardError:
    """Standard error, which may be gone: a line that nobody can read must not fail the call that it is about."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def get_logger(service: str) -> Logger:
    """The logger of one service; each line names it. Its level is that of the configuration now: asking the configuration
    anew for each line would cost every call more than the line."""
    return cast("Logger", structlog.get_logger(service=service).bind())
