"""A database from before the critical fixes, with the dirt that real ones have, through 0002 and back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from persistence.migration import configuration, differences, upgrade
from persistence.urls import normalise_url
from tests.persistence.databases import connected

THREE_TENTHS = "0.30000000000000004"
NOTHING_REMOVED: list[str] = []


@pytest.fixture
def old_url(empty_url: str) -> str:
    """A database at 0001."""
    command.upgrade(configuration(empty_url), "0001")
    return empty_url


def run(url: str, *statements: str) -> None:
    with connected(url) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with connected(url) as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def side_tables(url: str) -> list[str]:
    with connected(url) as connection:
        return sorted(name for name in inspect(connection).get_table_names() if name.startswith("_"))


def session(name: str, user: str, active: bool, updated: str | None, data: str = "{}") -> str:
    moment = "NULL" if updated is None else f"'{updated}'"
    return (
        "INSERT INTO trading_sessions (session_id, user_id, is_active, session_data, updated_at, created_at) "
        f"VALUES ('{name}', '{user}', {active}, '{data}', {moment}, '2024-01-01')"
    )


def snapshot(portfolio: str, time: str, cash: str, positions: str = "{}") -> str:
    return (
        "INSERT INTO portfolio_snapshots (portfolio_id, broker_namespace, strategy_id, positions, "
        "total_realized_pnl, total_unrealized_pnl, total_pnl, cash, snapshot_time) "
        f"VALUES ('{portfolio}', 'paper', 's', '{positions}', 0.1, 0.2, {THREE_TENTHS}, {cash}, '{time}')"
    )


def event(name: str, data: str) -> str:
    return (
        "INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, "
        f"event_data, event_timestamp) VALUES ('{name}', 't', 'paper', 's', 1, '{data}', now())"
    )


def strategy(name: str, kind: str) -> str:
    return (
        "INSERT INTO strategy_configurations (id, strategy_type, instruments, parameters, is_active, "
        f"zerodha_trading_enabled) VALUES ('{name}', '{kind}', '[1, 2]', '{{\"a\": 1}}', true, false)"
    )


INSTRUMENT = (
    "INSERT INTO instruments (instrument_token, exchange_token, tradingsymbol, name, exchange) "
    "VALUES (1, 1, 'RELIANCE', '', 'NSE')"
)
REGISTERED = "INSERT INTO instrument_registry (instrument_token, tradingsymbol, exchange) VALUES ({}, 'X', 'NSE')"


def test_of_duplicate_sessions_the_newest_active_one_stays(old_url: str) -> None:
    run(
        old_url,
        session("a-old", "a", True, "2025-01-01"),
        session("a-active", "a", True, "2025-01-02"),
        session("a-newest", "a", False, "2025-01-03"),
        session("b-old", "b", False, "2025-01-01"),
        session("b-new", "b", False, "2025-01-02"),
        session("b-unknown", "b", False, None),
        session("c", "c", True, "2025-01-01"),
    )

    upgrade(old_url)

    assert rows(old_url, "SELECT session_id FROM trading_sessions ORDER BY 1") == [
        ("a-active",),
        ("b-new",),
        ("c",),
    ]
    removed = rows(old_url, "SELECT session_id FROM _dup_trading_sessions_0002 ORDER BY 1")
    assert removed == [("a-newest",), ("a-old",), ("b-old",), ("b-unknown",)]


def test_of_duplicate_snapshots_the_newest_stays_with_its_exact_money(old_url: str) -> None:
    run(
        old_url,
        snapshot("paper:s", "2025-01-02", "123456789012.3456", '{"1": {"quantity": 5}}'),
        snapshot("paper:s", "2025-01-01", "999"),
        snapshot("paper:t", "2025-01-01", "1e15"),
    )

    upgrade(old_url)

    kept = rows(old_url, "SELECT portfolio_id, cash, total_pnl, positions FROM portfolio_snapshots ORDER BY 1")
    assert kept == [
        ("paper:s", Decimal("123456789012.3456"), Decimal(THREE_TENTHS), {"1": {"quantity": 5}}),
        ("paper:t", Decimal(10) ** 15, Decimal(THREE_TENTHS), {}),
    ]
    assert rows(old_url, "SELECT id, cash FROM _dup_portfolio_snapshots_0002") == [(2, 999.0)]


def test_snapshots_whose_money_is_no_number_are_set_aside(old_url: str) -> None:
    run(old_url, snapshot("paper:s", "2025-01-02", "'NaN'"), snapshot("paper:s", "2025-01-01", "5"))

    upgrade(old_url)

    assert rows(old_url, "SELECT id, cash FROM portfolio_snapshots") == [(2, Decimal(5))]
    assert rows(old_url, "SELECT id, cash::text FROM _nan_portfolio_snapshots_0002") == [(1, "NaN")]


def test_what_stands_for_nothing_becomes_null(old_url: str) -> None:
    run(
        old_url,
        session("a", "a", True, "2025-01-01", "null"),
        INSTRUMENT,
        REGISTERED.format(1),
        "UPDATE instruments SET last_price = 'NaN', strike = 1",
    )

    upgrade(old_url)

    assert rows(old_url, "SELECT last_price, strike FROM instruments") == [(None, Decimal(1))]
    assert rows(old_url, "SELECT session_data IS NULL FROM trading_sessions") == [(True,)]


def test_registered_instruments_that_are_gone_are_set_aside(old_url: str) -> None:
    run(old_url, INSTRUMENT, REGISTERED.format(1), REGISTERED.format(2))

    upgrade(old_url)

    assert rows(old_url, "SELECT instrument_token FROM instrument_registry") == [(1,)]
    assert rows(old_url, "SELECT instrument_token FROM _orphan_instrument_registry_0002") == [(2,)]
    run(old_url, "DELETE FROM instruments")
    assert rows(old_url, "SELECT count(*) FROM instrument_registry") == [(0,)]


def test_json_that_jsonb_refuses_is_repaired_and_its_original_kept(old_url: str) -> None:
    original = r'{"a": "x\u0000", "n": 1e999999, "f": 1.50}'
    run(old_url, event("bad", original), event("good", '{"a": "\\\\u0000"}'))

    upgrade(old_url)

    stored = dict(rows(old_url, "SELECT event_id, event_data FROM trading_events"))
    assert stored == {"bad": {"a": "x\ufffd", "n": "1e999999", "f": 1.5}, "good": {"a": "\\u0000"}}
    kept = rows(old_url, "SELECT key, original::text FROM _json_trading_events_event_data_0002")
    assert kept == [(1, original)]


def test_strategies_become_compositions_unless_of_an_old_kind(old_url: str) -> None:
    run(old_url, strategy("new", "MomentumProcessor"), strategy("old", "MomentumStrategy"))

    upgrade(old_url)

    found = rows(old_url, "SELECT id, use_composition, instruments, parameters FROM strategy_configurations ORDER BY 1")
    assert found == [("new", True, [1, 2], {"a": 1}), ("old", False, [1, 2], {"a": 1})]


def test_the_oldest_name_of_the_live_flag_is_changed(old_url: str) -> None:
    rename = "ALTER TABLE strategy_configurations RENAME COLUMN zerodha_trading_enabled TO live_trading_enabled"
    run(old_url, strategy("s", "MomentumProcessor"), rename)

    upgrade(old_url)

    assert rows(old_url, "SELECT zerodha_trading_enabled FROM strategy_configurations") == [(False,)]


def test_clean_data_leaves_no_side_tables(old_url: str) -> None:
    run(old_url, session("a", "a", True, "2025-01-01"), INSTRUMENT, REGISTERED.format(1))

    upgrade(old_url)

    assert side_tables(old_url) == NOTHING_REMOVED


def test_side_tables_are_no_difference(old_url: str) -> None:
    run(old_url, session("1", "a", True, "2025-01-01"), session("2", "a", True, "2025-01-02"))

    upgrade(old_url)

    assert side_tables(old_url) == ["_dup_trading_sessions_0002"]
    assert differences(create_engine(normalise_url(old_url), poolclass=NullPool)) == []


def test_the_way_back_restores_every_removed_and_repaired_row(old_url: str) -> None:
    tables = ("trading_sessions", "portfolio_snapshots", "instrument_registry", "trading_events")
    run(
        old_url,
        session("1", "a", True, "2025-01-01", '{"access_token": "t"}'),
        session("2", "a", False, "2025-01-02"),
        snapshot("paper:s", "2025-01-02", "0.1"),
        snapshot("paper:s", "2025-01-01", "999.99"),
        snapshot("paper:s", "2025-01-03", "'Infinity'"),
        REGISTERED.format(2),
        event("bad", r'{"a": "\u0000"}'),
    )
    before = [rows(old_url, f"SELECT to_json(t)::text FROM {table} AS t ORDER BY 1") for table in tables]

    upgrade(old_url)
    command.downgrade(configuration(old_url), "0001")

    after = [rows(old_url, f"SELECT to_json(t)::text FROM {table} AS t ORDER BY 1") for table in tables]
    assert after == before
    assert side_tables(old_url) == NOTHING_REMOVED


def test_a_repaired_value_that_has_changed_since_is_not_taken_back(old_url: str) -> None:
    run(old_url, event("bad", r'{"a": "\u0000"}'))
    upgrade(old_url)
    run(old_url, "UPDATE trading_events SET event_data = '{\"b\": 2}'")

    command.downgrade(configuration(old_url), "0001")

    assert rows(old_url, "SELECT event_data::text FROM trading_events") == [('{"b": 2}',)]


def test_a_database_that_has_the_fixes_already_passes_through_them(old_url: str) -> None:
    command.upgrade(configuration(old_url), "0002")
    run(
        old_url,
        strategy("s", "MomentumStrategy"),
        snapshot("paper:s", "2025-01-02", "0.1"),
        "ALTER TABLE portfolio_snapshots ALTER COLUMN cash TYPE double precision",
        "ALTER TABLE strategy_configurations ALTER COLUMN parameters TYPE json",
        "ALTER TABLE strategy_configurations ALTER COLUMN use_composition DROP DEFAULT",
        "UPDATE alembic_version SET version_num = '0001'",
    )

    upgrade(old_url)

    assert differences(create_engine(normalise_url(old_url), poolclass=NullPool)) == []
    assert rows(old_url, "SELECT cash FROM portfolio_snapshots") == [(Decimal("0.1"),)]
    assert rows(old_url, "SELECT use_composition FROM strategy_configurations") == [(True,)]
    assert side_tables(old_url) == NOTHING_REMOVED
