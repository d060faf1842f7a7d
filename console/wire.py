"""JSON as commands print it, and the times in what they read: without Rich, whose import takes longer than both."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import orjson


def write_json(value: Any) -> None:
    """Print the value as indented JSON, for other programs."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
    sys.stdout.flush()


def between_s(moment: str, later: str) -> float:
    """Seconds from one time to a later one, both as they stand in JSON; never negative.

    Raises:
        ValueError: one is no time with a zone.
    """
    first, second = datetime.fromisoformat(moment), datetime.fromisoformat(later)
    if first.tzinfo is None or second.tzinfo is None:
        raise ValueError("a time without a zone")
    return max(0.0, (second - first).total_seconds())


def age_s(moment: str) -> float:
    """Seconds since a time as it stands in JSON; fails as `between_s` does."""
    return between_s(moment, datetime.now(UTC).isoformat())
