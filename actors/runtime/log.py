"""Where log lines go and how they look. No secret passes, and tracebacks never show the values of variables.

Lines of the libraries' standard loggers go the same way as our own.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, cast

import structlog

from actors.masking import masked_value
from actors.runtime import journal
from actors.runtime.breakable import Breakable
from actors.runtime.repetition import EACH, Repetitions

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(
    level: str, form: str | None, stream: TextIO | None = None, journal_socket: Path = journal.SOCKET
) -> None:
    """Set up logging for the process: `form` is `console`, `json` or `journal`, or None to choose by the stream."""
    out = sys.stderr if stream is None else stream
    chosen = form or choose_form(out)
    factory: Any = structlog.WriteLoggerFactory(file=cast("TextIO", Breakable(out)))
    render: Any
    if chosen == "console":
        plain = structlog.dev.plain_traceback
        render = structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=plain)
    elif chosen == "journal":
        factory, render = journal.Journal(out, journal_socket), journal.render
    else:
        render = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            Repetitions(),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_secrets,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=factory,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Library()], force=True)
    logging.captureWarnings(True)
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    logging.getLogger("pykka").setLevel(logging.CRITICAL)


def take_what_nobody_catches() -> None:
    """Have errors that end a thread, or the process, logged like all others instead of written out as they are."""

    def ended(kind: type[BaseException], error: BaseException | None, frames: TracebackType | None) -> None:
        if not issubclass(kind, SystemExit):
            thread = threading.current_thread().name
            structlog.get_logger().critical("thread ended", thread=thread, exc_info=(kind, error, frames))

    sys.excepthook = ended
    threading.excepthook = lambda args: ended(args.exc_type, args.exc_value, args.exc_traceback)


def choose_form(stream: TextIO) -> str:
    """`journal` when the stream is the journal's (`JOURNAL_STREAM`, systemd.exec(5)), `console` on a terminal,
    else `json`.
    """
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return "json"
    if os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}":
        return "journal"
    return "console" if stream.isatty() else "json"


def tell_what_was_left_out() -> None:
    """Log, for each event that repeated itself and is quiet now, how many lines of it nobody has seen."""
    log = structlog.get_logger()
    for repetitions in structlog.get_config()["processors"]:
        if isinstance(repetitions, Repetitions):
            for (event, actor, child), count in repetitions.left_out().items():
                whose = {name: value for name, value in (("actor", actor), ("child", child)) if value is not None}
                log.warning("lines left out", of=event, suppressed=count, **whose, **{EACH: True})


def _without_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: masked_value(key, value) for key, value in event.items()}


class _Library(logging.Handler):
    """Passes the lines of standard loggers on, with the logger's name."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # its arguments do not fit
            text = str(record.msg)
        also = {"exc_info": record.exc_info} if record.exc_info else {}
        level = min(logging.CRITICAL, max(logging.DEBUG, record.levelno // 10 * 10))
        structlog.get_logger().log(level, text, logger=record.name, **also)
