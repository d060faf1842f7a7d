"""Times an adoption of large tables under live writers: `python -m tests.adoption.million [ROWS]`.

Every table of a dirty L0 gets that many rows (a million by default), of which some are duplicates, orphans and broken
JSON. Prints the seconds of each step, and the longest time that any statement of three writers took.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from persistence.adoption.adoption import Progress, adopt
from persistence.adoption.survey import survey
from persistence.embedded import EmbeddedPostgres
from settings import DatabaseSettings
from tests.adoption.dirt import fill
from tests.adoption.old_databases import L0
from tests.adoption.writers import Writer
from tests.persistence.databases import connected

WRITERS = 3
_ROWS = """
    INSERT INTO users (username, hashed_password) SELECT 'user-' || n, 'x' FROM generate_series(1, {rows}) AS n;
    INSERT INTO instruments (instrument_token, exchange_token, tradingsymbol, name, exchange, is_active)
    SELECT n + 1000, n, 'SYMBOL' || n, '', 'NSE', NULL FROM generate_series(1, {rows}) AS n;
    INSERT INTO instrument_registry (instrument_token, tradingsymbol, exchange)
    SELECT n + 1100, 'SYMBOL' || n, 'NSE' FROM generate_series(1, {rows}) AS n;
    INSERT INTO strategy_configurations (id, strategy_type, instruments, parameters, is_active, zerodha_trading_enabled)
    SELECT 'many-' || n, 'MomentumProcessor', '[1, 2]', '{{"lookback": 20}}', true, false
      FROM generate_series(1, {rows}) AS n;
    INSERT INTO trading_sessions (session_id, user_id, is_active, session_data)
    SELECT 'many-' || n, 'user-' || mod(n, {rows} * 9 / 10), mod(n, 3) = 0,
           json_build_object('access_token', md5(n::text), 'user_name', 'A User', 'broker', 'zerodha')
      FROM generate_series(1, {rows}) AS n;
    INSERT INTO portfolio_snapshots (portfolio_id, broker_namespace, strategy_id, positions, total_realized_pnl,
                                     total_unrealized_pnl, total_pnl, cash, snapshot_time)
    SELECT 'paper:' || mod(n, {rows} * 9 / 10), 'paper', 'strategy-' || mod(n, 50),
           json_build_object('738561', json_build_object('quantity', n, 'average_price', n / 7.0)),
           n / 3.0, n / 7.0, n / 3.0 + n / 7.0, 1000000 - n / 11.0, '2025-01-01'::timestamptz + n * interval '1 second'
      FROM generate_series(1, {rows}) AS n;
    INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data,
                                correlation_id, event_timestamp)
    SELECT gen_random_uuid(), 'order_filled', 'paper', 'strategy-' || mod(n, 50), 738561 + mod(n, 500),
           CASE WHEN mod(n, 1000) = 0 THEN '{{"note": "x\\u0000y", "quantity": 5}}'::json
                ELSE json_build_object('order_id', n, 'price', n / 7.0, 'quantity', 5, 'side', 'BUY', 'fees', 1.25) END,
           gen_random_uuid(), '2025-01-01'::timestamptz + n * interval '1 second'
      FROM generate_series(1, {rows}) AS n;
    ANALYZE;
"""


def main(rows: int) -> None:
    """Make the database, adopt it, and print what that took."""
    with tempfile.TemporaryDirectory() as directory, EmbeddedPostgres(Path(directory) / "postgres") as server:
        url = server.url
        L0.make(url)
        fill(url, L0)
        with connected(url) as connection:
            connection.connection.cursor().execute(_ROWS.format(rows=rows))
        found = survey(url, DatabaseSettings())
        _print(f"{rows:,} rows in each of {len(found.counts)} tables; {found.losses}; load {os.getloadavg()[0]:.1f}")
        _print(f"{found.copied_bytes / 1e6:.0f} MB to copy")
        writers = [Writer(url, f"w{number}", seed=number, old=L0) for number in range(WRITERS)]
        with ExitStack() as stack:
            for writer in writers:
                stack.enter_context(writer)
            started = time.monotonic()
            adopt(url, DatabaseSettings(), _Clock())
            took_s = time.monotonic() - started
        errors = [error for writer in writers for error in writer.memory.errors]
        longest_s = max(writer.memory.longest_s for writer in writers)
        statements = sum(writer.memory.statements for writer in writers)
        _print(f"adopted in {took_s:.1f} s; load {os.getloadavg()[0]:.1f}")
        _print(
            f"{statements} statements of {WRITERS} writers, {len(errors)} errors, the longest took {longest_s:.3f} s"
        )
        _print("\n".join(errors[:3]))


class _Clock:
    """Prints how long each step takes."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if progress.ended:
            _print(f"{time.monotonic() - self._begun:8.2f} s  {progress.step.table} {progress.step.name}")
            self._begun = time.monotonic()


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
