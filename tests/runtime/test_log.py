"""How log lines look, where they go, and what is never in them."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from actors.redaction import MASK
from actors.runtime import log
from actors.runtime.repetition import BURST, Repetitions

SECRET = "s3cr3t-w0rd"


def logged(form: str, say: Callable[[Any], object], level: str = "info") -> str:
    stream = io.StringIO()
    log.configure(level, form, stream)
    say(structlog.get_logger())
    return stream.getvalue()


def entries(say: Callable[[Any], object], level: str = "info") -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged("json", say, level).splitlines()]


def failed(message: str) -> Callable[[Any], object]:
    def say(logger: Any) -> None:
        try:
            raise ConnectionError(message)
        except ConnectionError:
            logger.exception("crash", actor="database")

    return say


def test_a_line_is_one_json_object_with_its_fields() -> None:
    (entry,) = entries(lambda logger: logger.warning("order failed", broker="paper", correlation_id="c-1"))

    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "order failed", "level": "warning", "broker": "paper", "correlation_id": "c-1"}


def test_a_stream_that_takes_nothing_is_no_error_and_has_the_lines_that_it_takes_again() -> None:
    class Full(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(text)

    stream = Full()
    log.configure("info", "json", stream)
    structlog.get_logger().info("lost")
    stream.full = False
    structlog.get_logger().info("kept")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["kept"]


def test_the_console_shows_the_same_without_colours_where_there_is_no_terminal() -> None:
    line = logged("console", lambda logger: logger.warning("order failed", correlation_id="c-1"))

    assert "order failed" in line
    assert "correlation_id=c-1" in line
    assert "\x1b" not in line


def test_what_is_below_the_level_is_not_told() -> None:
    assert entries(lambda logger: logger.info("ready"), "warning") == []


@pytest.mark.parametrize("form", ["console", "json", "journal"])
@pytest.mark.parametrize(
    "say",
    [
        failed(f"cannot connect to postgresql://panda:{SECRET}@host/db"),
        failed(f"invalid dsn: password={SECRET}"),
        lambda logger: logger.error("login", access_token=SECRET),
        lambda logger: logger.error("login", session={"user": "alice", "access_token": SECRET}),
        lambda logger: logger.error("login", reason=f"Authorization: token key:{SECRET}"),
        lambda logger: logger.error(event="token=s3cr3t-w0rd"),
        lambda logger: logging.getLogger("sqlalchemy.pool").error("lost %s", f"postgresql://u:{SECRET}@h/d"),
    ],
)
def test_no_form_shows_a_secret(form: str, say: Callable[[Any], object], tmp_path: Any) -> None:
    line = logged(form, say)

    assert SECRET not in line
    assert MASK in line


def test_a_traceback_is_part_of_its_line() -> None:
    (entry,) = entries(failed("no route"))

    assert entry["exception"].startswith("Traceback (most recent call last):")
    assert entry["exception"].endswith("ConnectionError: no route")


class TestLibraries:
    def test_their_lines_look_like_our_own(self) -> None:
        (entry,) = entries(lambda _: logging.getLogger("uvicorn.error").warning("%d requests", 3))

        assert (entry["event"], entry["logger"], entry["level"]) == ("3 requests", "uvicorn.error", "warning")

    def test_their_tracebacks_are_told(self) -> None:
        def say(_: Any) -> None:
            try:
                raise OSError("gone")
            except OSError:
                logging.getLogger("asyncio").exception("a callback failed")

        (entry,) = entries(say)
        assert "OSError: gone" in entry["exception"]

    def test_their_small_talk_is_left_out(self) -> None:
        assert entries(lambda _: logging.getLogger("alembic").info("context made")) == []

    def test_arguments_that_do_not_fit_and_levels_of_their_own_do_no_harm(self) -> None:
        def say(_: Any) -> None:
            logging.getLogger("odd").error("%d of %d", *("one",))
            logging.getLogger("odd").log(35, "between")

        assert [(one["event"], one["level"]) for one in entries(say)] == [("%d of %d", "error"), ("between", "warning")]

    def test_warnings_are_lines(self) -> None:
        def say(_: Any) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                log.configure("info", "json", stream)
                warnings.warn("old", DeprecationWarning, stacklevel=1)

        stream = io.StringIO()
        say(None)
        assert json.loads(stream.getvalue())["logger"] == "py.warnings"


def test_an_error_that_ends_a_thread_is_a_line_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)

    def fail() -> None:
        raise ConnectionError(f"no answer from nats://{SECRET}@host")

    def say(_: Any) -> None:
        log.take_what_nobody_catches()
        thread = threading.Thread(target=fail, name="outbox")
        thread.start()
        thread.join()

    (entry,) = entries(say)
    assert (entry["event"], entry["thread"], entry["level"]) == ("thread ended", "outbox", "critical")
    assert entry["exception"].endswith(f"ConnectionError: no answer from nats://{MASK}@host")


def test_repetitions_are_left_out_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    class WhileNoTimePasses(Repetitions):
        def __init__(self) -> None:
            super().__init__(lambda: 0.0)

    monkeypatch.setattr(log, "Repetitions", WhileNoTimePasses)

    def say(logger: Any) -> None:
        for _ in range(BURST + 3):
            logger.warning("not sent", actor="gateway")

    assert len(entries(say)) == BURST


def test_the_form_follows_where_the_lines_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    with (tmp_path / "log").open("w") as file:
        assert log.choose_form(file) == "json"
        status = os.fstat(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert log.choose_form(file) == "journal"
    controller, terminal = os.openpty()
    with os.fdopen(controller, "rb"), os.fdopen(terminal, "w") as screen:
        assert log.choose_form(screen) == "console"
