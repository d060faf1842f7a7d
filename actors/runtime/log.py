"""Where log lines go and how they look. Tracebacks never show the values of variables, as those may be secret."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}


def configure(level: str, form: str | None, stream: TextIO | None = None) -> None:
    """Set up logging for the process: `form` is `console`, `json` or `journal`, or None to choose by the stream."""
    out = sys.stderr if stream is None else stream
    chosen = form or choose_form(out)
    render: list[Any]
    if chosen == "console":
        plain = structlog.dev.plain_traceback
        render = [structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=plain)]
    elif chosen == "journal":
        render = [structlog.processors.format_exc_info, _with_priority]
    else:
        render = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=out, format="%(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    logging.getLogger("pykka").setLevel(logging.CRITICAL)


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


def _with_priority(_logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
    """One line with the priority prefix of sd-daemon(3)."""
    fields: Mapping[str, Any] = {
        key: value for key, value in event.items() if key not in {"event", "level", "timestamp"}
    }
    text = f"{event['event']} " + " ".join(f"{key}={value}" for key, value in fields.items())
    prefix = f"<{_PRIORITIES.get(method, 6)}>"
    return "\n".join(prefix + line for line in text.rstrip().splitlines())
