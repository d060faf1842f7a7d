"""What is too old goes, by itself and in portions; everything else stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import execute
from tests.system import books, streams
from tests.system.daemon import Daemon, eventually
from tests.system.test_signals import assert_each_counted_once

KEPT = {
    "HOUSEKEEPING__EVENTS_KEPT_DAYS": "30",
    "HOUSEKEEPING__DEAD_LETTERS_KEPT_DAYS": "30",
    "HOUSEKEEPING__SESSIONS_KEPT_DAYS": "30",
}
OLD_EVENTS = """
    INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data,
                                event_timestamp, created_at)
    SELECT 'old-' || n, 'order_filled', 'paper', 's1', 1001, '{}', at, at
    FROM generate_series(1, 1200) AS n, (SELECT now() - interval '40 days' AS at) AS old
"""
OLD_LETTERS = """
    INSERT INTO dead_letters (id, subject, reason, consumer, payload, created_at)
    SELECT gen_random_uuid(), 'paper.signals.raw', 'r', 'c', '', now() - interval '40 days' FROM generate_series(1, 120)
"""
OLD_SESSIONS = """
    INSERT INTO trading_sessions (session_id, user_id, is_active, updated_at)
    SELECT n::text, 'user' || n, n = 1, now() - interval '40 days' FROM generate_series(1, 120) AS n
"""


def old_rows(database_url: str) -> dict[str, Any]:
    tables = {
        "trading_events": "event_id LIKE 'old-%'",
        "dead_letters": "reason = 'r'",
        "trading_sessions": "user_id LIKE 'user%'",
    }
    return {
        table: execute(database_url, f"SELECT count(*) FROM {table} WHERE {which}")[0][0]
        for table, which in tables.items()
    }


def grow_old(database_url: str) -> None:
    for statement in (OLD_EVENTS, OLD_LETTERS, OLD_SESSIONS):
        execute(database_url, statement)


def test_nothing_but_inbox_keys_goes_by_default(daemon: Daemon, database_url: str) -> None:
    assert list(daemon.status()["database"]["housekeeping"]) == ["inbox"]


def test_what_is_older_than_the_policy_goes_and_trading_goes_on(
    tmp_path: Path, database_url: str, streams_url: str
) -> None:
    grow_old(database_url)
    servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
    with Daemon(tmp_path / "state", **servers) as daemon:
        before = daemon.status()["brokers"]["paper"]["fills"]
        daemon.stop()
    with Daemon(tmp_path / "state", **KEPT, **servers) as daemon:
        signals = [streams.signal() for _ in range(20)]
        streams.publish(streams_url, "paper.signals.validated", signals)

        eventually(
            lambda: old_rows(database_url) == {"trading_events": 0, "dead_letters": 0, "trading_sessions": 1}, 40
        )

        assert_each_counted_once(database_url, streams_url, signals)
        books.assert_equal(database_url, signals)
        eventually(
            lambda: pruned(daemon) == {"inbox": 0, "trading_events": 1200, "dead_letters": 120, "trading_sessions": 119}
        )
        assert daemon.status()["database"]["dead_letters"] == 0
        fills = eventually(lambda: daemon.status()["brokers"]["paper"]["fills"] == 20)
        assert (before, fills) == (1200, True)
        daemon.stop()

    with daemon:
        assert daemon.status()["brokers"]["paper"]["fills"] == 20
        books.assert_equal(database_url, signals)


def pruned(daemon: Daemon) -> dict[str, int]:
    """By table how many rows went, once nothing is under way."""
    chores: dict[str, Any] = daemon.status()["database"]["housekeeping"]
    assert not any(chore["in_progress"] for chore in chores.values())
    return {table: chore["pruned"] for table, chore in chores.items()}
