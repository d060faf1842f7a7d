"""A database with rows in every table goes up, down and up again, and its rows are what they were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from persistence.migration import configuration, upgrade
from persistence.models import metadata
from persistence.urls import normalise_url
from persistence.verification import Verdict, prove
from tests.conftest import execute

Rows = dict[str, list[dict[str, Any]]]

REVISIONS = [
    script.revision for script in reversed(list(ScriptDirectory.from_config(configuration()).walk_revisions()))
]
OLD_ROWS = {
    "users": "INSERT INTO users (username, hashed_password) VALUES ('panda', 'x'), ('bear', 'y')",
    "trading_sessions": "INSERT INTO trading_sessions (session_id, user_id, is_active, session_data, end_time) "
    """VALUES ('1', 'a', true, '{"access_token": "t", "n": [1, null]}', now()), ('2', 'b', false, NULL, NULL)""",
    "strategy_configurations": "INSERT INTO strategy_configurations (id, strategy_type, instruments, parameters, "
    """is_active, zerodha_trading_enabled) VALUES ('s', 'Momentum', '[256265, 1]', '{"lookback": 5}', true, false)""",
    "portfolio_snapshots": "INSERT INTO portfolio_snapshots (portfolio_id, broker_namespace, strategy_id, positions, "
    "total_realized_pnl, total_unrealized_pnl, total_pnl, cash) "
    """VALUES ('paper:s', 'paper', 's', '{"1": {"quantity": -5}}', 0.1, -0.25, -0.15, 1000000.75)""",
    "trading_events": "INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, "
    "instrument_token, event_data, correlation_id, event_timestamp) SELECT 'e' || n, 'order_filled', 'paper', 's', n, "
    """'{"price": "100.05"}', CASE n % 2 WHEN 0 THEN 'c' END, now() FROM generate_series(1, 50) AS n""",
    "instruments": "INSERT INTO instruments (instrument_token, exchange_token, tradingsymbol, name, exchange, "
    "last_price, expiry, is_active) VALUES (1, 1, 'RELIANCE', '', 'NSE', 2500.05, '2030-01-31', NULL)",
    "instrument_registry": "INSERT INTO instrument_registry (instrument_token, tradingsymbol, exchange) "
    "VALUES (1, 'RELIANCE', 'NSE')",
}
RUNTIME_ROWS = {
    "inbox": "INSERT INTO inbox (consumer, message_id, stream_seq) VALUES ('trading.paper', 'm', 7)",
    "outbox": r"INSERT INTO outbox (id, messages) VALUES (gen_random_uuid(), '\x00ff')",
    "dead_letters": "INSERT INTO dead_letters (id, subject, reason, consumer, payload, headers) "
    r"""VALUES (gen_random_uuid(), 'paper.signals.raw', 'no JSON', 'trading.paper', '\x7b00', '{"a": "b"}')""",
    "broker_leases": "INSERT INTO broker_leases VALUES ('paper', 'node', 3, now())",
}


LATER_ROWS = {
    "instrument_loads": "INSERT INTO instrument_loads (source_file, listed, inserted, changed, deactivated, active, "
    "total) VALUES ('dump.csv', 1, 1, 0, 0, 1, 1)",
}
"""Of a table that came after the runtime's first ones."""


def rows(url: str, tables: Iterable[str]) -> Rows:
    return {
        table: [row for (row,) in execute(url, f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY 1")]  # type: ignore[misc]
        for table in tables
    }


def common(of: Rows, to: Rows) -> Rows:
    """The rows with only the columns that the other ones have too."""
    return {
        table: [{name: value for name, value in row.items() if name in to[table][0]} for row in found]
        for table, found in of.items()
    }


def steps_down(url: str, to: str) -> Iterable[str]:
    """Each revision on the way down, once it is reached."""
    for revision in reversed(REVISIONS[REVISIONS.index(to) : -1]):
        command.downgrade(configuration(url), revision)
        yield revision


@pytest.fixture
def populated_url(empty_url: str) -> str:
    """A database at 0001 with rows in all its tables."""
    command.upgrade(configuration(empty_url), "0001")
    for statement in OLD_ROWS.values():
        execute(empty_url, statement)
    return empty_url


def test_there_are_rows_for_every_table() -> None:
    assert OLD_ROWS.keys() | RUNTIME_ROWS.keys() | LATER_ROWS.keys() == metadata.tables.keys()


def test_rows_are_the_same_at_every_step_up_and_down_and_up_again(populated_url: str) -> None:
    first = rows(populated_url, OLD_ROWS)
    for revision in REVISIONS[1:]:
        command.upgrade(configuration(populated_url), revision)
        assert common(rows(populated_url, OLD_ROWS), first) == first
    top = rows(populated_url, OLD_ROWS)

    for revision in steps_down(populated_url, "0001"):
        assert common(rows(populated_url, OLD_ROWS), first) == first, revision
    assert rows(populated_url, OLD_ROWS) == first

    upgrade(populated_url)
    assert rows(populated_url, OLD_ROWS) == top


def test_rows_of_the_runtime_are_the_same_down_to_where_their_tables_begin(empty_url: str) -> None:
    upgrade(empty_url)
    for statement in RUNTIME_ROWS.values():
        execute(empty_url, statement)
    top = rows(empty_url, RUNTIME_ROWS)

    for revision in steps_down(empty_url, "0003"):
        below = rows(empty_url, RUNTIME_ROWS)
        assert below == common(top, below), revision
    upgrade(empty_url)

    assert rows(empty_url, RUNTIME_ROWS) == top


def test_a_populated_database_at_head_is_proved(populated_url: str) -> None:
    upgrade(populated_url)
    for statement in (RUNTIME_ROWS | LATER_ROWS).values():
        execute(populated_url, statement)

    found = prove(create_engine(normalise_url(populated_url), poolclass=NullPool), timeout_s=30)

    assert [one for one in found if one.verdict is not Verdict.PASSED] == []
