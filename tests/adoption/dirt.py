"""The rows that old databases hold, with the faults that they are known for."""

from __future__ import annotations

from tests.adoption.old_databases import OldDatabase
from tests.persistence.databases import connected

NEWEST_IS_NOT_ACTIVE = "ann"
BAD_JSON = (r'{"a": "x\u0000y"}', '{"a": 1e400000}', r'{"a": "\ud83d", "b": "\ud83d\ude00"}')
MONEY = ("0.1", "0.30000000000000004", "123456789012.34567", "1e15", "-0.005", "1000000.07", "5e-324")

_CLEAN = """
    INSERT INTO users (username, hashed_password) VALUES ('ann', 'x'), ('bob', 'y');
    INSERT INTO instruments (instrument_token, exchange_token, tradingsymbol, name, exchange, last_price, expiry,
                             is_active)
    VALUES (1, 1, 'RELIANCE', 'Reliance', 'NSE', 2500.0500, NULL, true),
           (2, 2, 'NIFTY25JANFUT', '', 'NFO', NULL, '2025-01-30 00:00:00', NULL),
           (3, 3, 'UNQUOTED', '', 'NSE', 'NaN', NULL, true);
    INSERT INTO instrument_registry (instrument_token, tradingsymbol, exchange, is_subscribed, priority)
    VALUES (1, 'RELIANCE', 'NSE', true, 100), (2, 'NIFTY25JANFUT', 'NFO', NULL, NULL);
    INSERT INTO strategy_configurations (id, strategy_type, instruments, parameters, is_active, {live}{names})
    VALUES ('momentum', 'MomentumProcessor', '[1, 2]', '{{"lookback": 20, "b": 1.50}}', true, false{values}),
           ('old', 'SimpleMomentumStrategy', '[]', '{{}}', false, true{values});
    INSERT INTO trading_sessions (session_id, user_id, is_active, session_data, start_time, created_at, updated_at)
    VALUES ('c1', 'cid', true, '{{"access_token": "t"}}', '2025-01-01', '2025-01-01', '2025-01-01'),
           ('d1', 'dan', false, NULL, NULL, NULL, NULL),
           ('e1', 'eve', true, 'null', '2025-01-01', '2025-01-01', '2025-01-01');
    INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data,
                                correlation_id, event_timestamp)
    SELECT 'event-' || n, 'order_filled', 'paper', 'momentum', 1, '{{"quantity": 5, "price": "10.50"}}', 'c' || n,
           '2025-01-01'
      FROM generate_series(1, 40) AS n;
"""
_DIRTY_SESSIONS = """
    INSERT INTO trading_sessions (session_id, user_id, is_active, session_data, start_time, created_at, updated_at)
    VALUES ('a1', 'ann', true, '{"access_token": "old"}', '2025-01-01', '2025-01-01', '2025-01-01'),
           ('a2', 'ann', true, '{"access_token": "newest active"}', '2025-01-02', '2025-01-02', '2025-01-02'),
           ('a3', 'ann', false, '{"access_token": "newest"}', '2025-01-03', '2025-01-03', '2025-01-03'),
           ('b1', 'bob', false, '{}', '2025-01-01', '2025-01-01', '2025-01-01'),
           ('b2', 'bob', false, '{}', '2025-01-02', '2025-01-02', '2025-01-02'),
           ('b3', 'bob', false, '{}', NULL, NULL, NULL);
    INSERT INTO instrument_registry (instrument_token, tradingsymbol, exchange)
    VALUES (99, 'GONE', 'NSE'), (98, '', 'BSE');
"""


def fill(url: str, old: OldDatabase) -> None:
    """Put rows into every table; with all the dirt that this kind of database can hold."""
    composed = bool(old.composition)
    clean = _CLEAN.format(
        live=old.live, names=", use_composition" if composed else "", values=", false" if composed else ""
    )
    with connected(url) as connection:
        connection.exec_driver_sql(clean)
        for number, amount in enumerate(MONEY):
            connection.exec_driver_sql(snapshot(f"paper:s{number}", amount, f"2025-01-{number + 1:02}"))
        for amount in ("'NaN'", "'Infinity'"):
            connection.exec_driver_sql(snapshot(f"paper:{amount[1:-1]}", amount, "2025-01-01"))
        for number, text in enumerate(BAD_JSON):
            connection.exec_driver_sql(
                "INSERT INTO strategy_configurations (id, strategy_type, instruments, parameters, is_active, "
                f"{old.live}{', use_composition' if composed else ''}) "
                f"VALUES ('bad{number}', 'Momentum', '[{text}]', '{text}', true, true{', true' if composed else ''})"
            )
        if not old.fixed:
            connection.exec_driver_sql(_DIRTY_SESSIONS)
            # The same portfolio with different cash; of the last two, only the id tells which is newer.
            for amount, time in (("7.77", "2025-02-01"), ("8.88", "2025-01-05"), ("9.99", "2025-02-01")):
                connection.exec_driver_sql(snapshot("paper:s0", amount, time))
            connection.exec_driver_sql(snapshot("paper:s0", "'NaN'", "2025-03-01"))
            for number, text in enumerate(BAD_JSON):
                _bad_json(connection, number, text)
        if old.null != "NOT NULL":
            connection.exec_driver_sql("UPDATE instrument_registry SET tradingsymbol = NULL WHERE instrument_token = 1")


def snapshot(portfolio: str, cash: str, time: str, positions: str = '{"1": {"quantity": 5, "avg_price": 10.5}}') -> str:
    """The statement that stores one."""
    return (
        "INSERT INTO portfolio_snapshots (portfolio_id, broker_namespace, strategy_id, positions, total_realized_pnl, "
        f"total_unrealized_pnl, total_pnl, cash, snapshot_time) VALUES ('{portfolio}', 'paper', 'momentum', "
        f"'{positions}', {cash}, 0.2, 0.30000000000000004, {cash}, '{time}')"
    )


def _bad_json(connection: object, number: int, text: str) -> None:
    run = connection.exec_driver_sql  # type: ignore[attr-defined]
    run(snapshot(f"paper:bad{number}", "1", "2025-01-01", text))
    run(
        "INSERT INTO trading_sessions (session_id, user_id, is_active, session_data) "
        f"VALUES ('bad{number}', 'bad{number}', true, '{text}')"
    )
    run(
        "INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, "
        f"event_data, event_timestamp) VALUES ('bad{number}', 'order_filled', 'paper', 'momentum', 1, '{text}', now())"
    )
