"""One event is one line, for machines and for people."""

import errno
import io
import json

import pytest
import structlog

from chassis import logs
from chassis.context import NO_CALL, CallContext, bind


@pytest.fixture(autouse=True)
def restore_configuration():
    yield
    structlog.reset_defaults()


def test_an_event_is_one_json_line_that_names_its_service(capsys):
    logs.configure(as_json=True)
    logs.get_logger("cache").info("stored", bytes=7, words="two\nlines")
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    moment = event.pop("timestamp")
    assert event == {"event": "stored", "level": "info", "service": "cache", "bytes": 7, "words": "two\nlines"}
    assert moment.endswith("Z")


def test_a_traceback_stays_in_its_line(capsys):
    logs.configure(as_json=True)
    try:
        raise ValueError("what went wrong")
    except ValueError as error:
        logs.get_logger("cache").error("crashed", exc_info=error)
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: what went wrong" in json.loads(line)["exception"]


def test_events_below_the_level_are_not_written(capsys):
    logs.configure(level="warning", as_json=True)
    log = logs.get_logger("cache")
    log.info("quiet")
    log.warning("loud")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]


def test_what_is_not_a_terminal_gets_json(capsys):
    logs.configure()
    logs.get_logger("cache").info("stored")
    assert json.loads(capsys.readouterr().err)["event"] == "stored"


def test_a_secret_is_written_as_stars(capsys):
    from chassis.config import Secret

    logs.configure(as_json=True)
    logs.get_logger("edge").info("configured", key=Secret("canary"))
    assert json.loads(capsys.readouterr().err)["key"] == "***"


def test_a_line_that_nobody_can_read_fails_nothing(monkeypatch):
    """The terminal was closed; the call that the line is about goes on."""

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.EIO, "Input/output error")

        def flush(self) -> None:
            self.write("")

    monkeypatch.setattr("sys.stderr", Gone())
    logs.configure(as_json=True)
    logs.get_logger("cache").warning("store is slow")


def test_what_is_said_during_a_call_names_its_snapshot(capsys):
    logs.configure(as_json=True)
    bind(CallContext(version="v1"))
    try:
        logs.get_logger("cache").info("stored")
        logs.get_logger("cache").info("refused", version="v2")
    finally:
        bind(NO_CALL)
    logs.get_logger("cache").info("swept")
    lines = map(json.loads, capsys.readouterr().err.splitlines())
    assert [line.get("version") for line in lines] == ["v1", "v2", None]
