"""The old application at work: it writes with plain statements into every table, and remembers what was committed."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg2
from psycopg2 import errors

from persistence.urls import normalise_url
from tests.adoption.old_databases import OldDatabase
from tests.steady_clock import SteadyClock

REFUSED_ONCE_FIXED = (errors.UniqueViolation, errors.ForeignKeyViolation, errors.UntranslatableCharacter)
USERS = 12
Key = tuple[str, str]


@dataclass
class Memory:
    """What one writer has done."""

    rows: dict[Key, str] = field(default_factory=dict)
    """By table and key, the mark that the row was last given."""
    refused: dict[str, int] = field(default_factory=dict)
    """By table, statements that the new constraints refused."""
    errors: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    statements: int = 0


class Writer:
    """Writes in a thread of its own from `with` to its end."""

    def __init__(self, url: str, name: str, seed: int, old: OldDatabase) -> None:
        self.memory = Memory()
        self._target = normalise_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._name = name
        self._composed = bool(old.composition)
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._clock = SteadyClock()
        self._going = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"writer-{name}")
        self._number = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._going.wait(90)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(90)
        assert not self._thread.is_alive()

    def wrote(self, statements: int, timeout_s: float = 60) -> bool:
        """Wait until it has executed so many more."""
        wanted, deadline_s = self.memory.statements + statements, self._clock.seconds() + timeout_s
        while self.memory.statements < wanted and self._clock.seconds() < deadline_s:
            self._stop.wait(0.01)
        return self.memory.statements >= wanted

    def _run(self) -> None:
        connection = psycopg2.connect(self._target)
        connection.autocommit = True
        work = (
            self._log_in,
            self._log_in,
            self._change_session,
            self._log_out,
            self._record_event,
            self._record_event,
            self._change_event,
            self._snapshot,
            self._change_snapshot,
            self._configure,
            self._register,
            self._sign_up,
        )
        try:
            with self._clock, connection.cursor() as cursor:
                while not self._stop.is_set():
                    self._number += 1
                    self._random.choice(work)(cursor)
                    self._going.set()
                    self._stop.wait(0.001)
        finally:
            connection.close()

    def _execute(self, cursor: Any, table: str, statement: str, parameters: tuple[Any, ...]) -> int:
        started = self._clock.seconds()
        try:
            cursor.execute(statement, parameters)
        except REFUSED_ONCE_FIXED:
            self.memory.refused[table] = self.memory.refused.get(table, 0) + 1
            return 0
        except psycopg2.Error as error:
            self.memory.errors.append(f"{statement}: {error}")
            return 0
        finally:
            self.memory.longest_s = max(self.memory.longest_s, self._clock.seconds() - started)
            self.memory.statements += 1
        return int(cursor.rowcount)

    def _insert(self, cursor: Any, table: str, key: str, columns: str, values: tuple[Any, ...], mark: str) -> None:
        places = ", ".join(["%s"] * len(values))
        if self._execute(cursor, table, f"INSERT INTO {table} ({columns}) VALUES ({places})", values):
            self.memory.rows[table, key] = mark

    def _some(self, table: str) -> str | None:
        keys = [key for (owner, key) in self.memory.rows if owner == table]
        return self._random.choice(keys) if keys else None

    def _mark(self) -> str:
        return f"{self._name}-{self._number}"

    def _log_in(self, cursor: Any) -> None:
        mark, user = self._mark(), f"user{self._random.randrange(USERS)}"
        columns = "session_id, user_id, is_active, session_data"
        values = (mark, user, self._random.random() < 0.5, f'{{"mark": "{mark}"}}')
        self._insert(cursor, "trading_sessions", mark, columns, values, mark)

    def _change_session(self, cursor: Any) -> None:
        key, mark = self._some("trading_sessions"), self._mark()
        statement = (
            "UPDATE trading_sessions SET session_data = %s, is_active = %s, user_id = COALESCE(%s, user_id), "
            "updated_at = now() WHERE session_id = %s"
        )
        moved = f"user{self._random.randrange(USERS)}" if self._random.random() < 0.2 else None
        values = (f'{{"mark": "{mark}"}}', self._random.random() < 0.5, moved, key)
        if key is not None and self._execute(cursor, "trading_sessions", statement, values):
            self.memory.rows["trading_sessions", key] = mark

    def _log_out(self, cursor: Any) -> None:
        key = self._some("trading_sessions")
        if key is not None and self._random.random() < 0.3:
            statement = "DELETE FROM trading_sessions WHERE session_id = %s"
            if self._execute(cursor, "trading_sessions", statement, (key,)):
                del self.memory.rows["trading_sessions", key]

    def _record_event(self, cursor: Any) -> None:
        mark = self._mark()
        text = r'{"mark": "%s", "bad": "\u0000"}' if self._random.random() < 0.05 else '{"mark": "%s"}'
        columns = (
            "event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data, correlation_id, "
            "event_timestamp"
        )
        values = (mark, "order_filled", "paper", "momentum", 1, text % mark, mark, "2025-01-01T00:00:00Z")
        self._insert(cursor, "trading_events", mark, columns, values, mark)

    def _change_event(self, cursor: Any) -> None:
        key, mark = self._some("trading_events"), self._mark()
        if key is None:
            return
        if self._random.random() < 0.3:
            if self._execute(cursor, "trading_events", "DELETE FROM trading_events WHERE event_id = %s", (key,)):
                del self.memory.rows["trading_events", key]
            return
        values = (f'{{"mark": "{mark}"}}', key)
        statement = "UPDATE trading_events SET event_data = %s WHERE event_id = %s"
        if self._execute(cursor, "trading_events", statement, values):
            self.memory.rows["trading_events", key] = mark

    def _snapshot(self, cursor: Any) -> None:
        mark = self._mark()
        columns = (
            "portfolio_id, broker_namespace, strategy_id, positions, total_realized_pnl, total_unrealized_pnl, "
            "total_pnl, cash"
        )
        portfolio = f"paper:p{self._random.randrange(USERS)}"
        values = (portfolio, "paper", "s", f'{{"mark": "{mark}"}}', 0.1, 0.2, 0.3, 7.77)
        statement = f"INSERT INTO portfolio_snapshots ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id"
        if self._execute(cursor, "portfolio_snapshots", statement, values):
            self.memory.rows["portfolio_snapshots", str(cursor.fetchone()[0])] = mark

    def _change_snapshot(self, cursor: Any) -> None:
        key, mark = self._some("portfolio_snapshots"), self._mark()
        statement = "UPDATE portfolio_snapshots SET positions = %s, cash = cash + 0.01 WHERE id = %s"
        values = (f'{{"mark": "{mark}"}}', key)
        if key is not None and self._execute(cursor, "portfolio_snapshots", statement, values):
            self.memory.rows["portfolio_snapshots", key] = mark

    def _configure(self, cursor: Any) -> None:
        mark = self._mark()
        columns = "id, strategy_type, instruments, parameters, is_active, zerodha_trading_enabled"
        values: tuple[Any, ...] = (mark, "MomentumProcessor", "[1]", f'{{"mark": "{mark}"}}', True, False)
        if self._composed:
            columns, values = f"{columns}, use_composition", (*values, True)
        self._insert(cursor, "strategy_configurations", mark, columns, values, mark)

    def _register(self, cursor: Any) -> None:
        token, mark = self._random.randrange(1000, 10**9), self._mark()
        if self._random.random() < 0.8:
            columns = "instrument_token, exchange_token, tradingsymbol, name, exchange"
            self._insert(cursor, "instruments", mark, columns, (token, 1, mark, "", "NSE"), mark)
        self._insert(
            cursor, "instrument_registry", mark, "instrument_token, tradingsymbol, exchange", (token, mark, "NSE"), mark
        )

    def _sign_up(self, cursor: Any) -> None:
        mark = self._mark()
        self._insert(cursor, "users", mark, "username, hashed_password", (mark, "x"), mark)
