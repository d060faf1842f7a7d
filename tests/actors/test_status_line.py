"""The line that the service manager shows."""

from __future__ import annotations

from typing import Any

from actors.status_line import StatusLine


def document(*signals: int, state: str = "ready", postgres: str = "up") -> dict[str, Any]:
    return {
        "state": state,
        "brokers": {f"b{number}": {"signals": count} for number, count in enumerate(signals)},
        "database": {"state": postgres},
        "nats": {"state": "up"},
    }


def test_the_first_line_knows_no_rate_yet() -> None:
    assert StatusLine().write(document(5_000), 100.0) == "ready: 1 broker, 0 signals/s, postgres up, nats up"


def test_the_rate_is_that_of_all_brokers_since_the_last_line() -> None:
    line = StatusLine()
    line.write(document(1_000, 0), 100.0)

    assert line.write(document(4_000, 2_120), 110.0) == "ready: 2 brokers, 512 signals/s, postgres up, nats up"


def test_books_that_are_counted_anew_make_no_negative_rate() -> None:
    line = StatusLine()
    line.write(document(1_000), 100.0)

    away = document(0, state="degraded", postgres="away")
    assert line.write(away, 110.0) == "degraded: 1 broker, 0 signals/s, postgres away, nats up"
