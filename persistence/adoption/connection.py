"""The one connection that an adoption works on; it also holds the migration lock, so that both end together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg2
from psycopg2 import errors
from psycopg2.extras import execute_values

from persistence.database import connect_args
from persistence.errors import Conflict
from persistence.migration_lock import KEY, await_lock
from persistence.translation import translated
from persistence.urls import normalise_url
from settings import DatabaseSettings

Parameters = Sequence[Any] | Mapping[str, Any] | None

_IN_THE_WAY = (errors.LockNotAvailable, errors.DeadlockDetected, errors.QueryCanceled)
_GENTLE_ATTEMPTS = 2
_LONGEST_PAUSE_S = 5.0
# An index that is built concurrently also waits for snapshots that are older, whatever their transactions have locked.
_HOLDERS = """
    SELECT pid, usename, application_name, state, date_trunc('second', now() - xact_start)
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
       AND (pid IN (SELECT pid FROM pg_locks WHERE relation = to_regclass(%(table)s) AND granted)
            OR %(snapshots)s AND backend_xmin IS NOT NULL)
     ORDER BY xact_start LIMIT 1
"""
_SEES_OTHERS = "SELECT pg_has_role('pg_read_all_stats', 'USAGE')"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long who waits for whom, in seconds."""

    lock_s: float = 0.8
    """For a lock, in one attempt: others queue behind that. Less than a second, PostgreSQL's `deadlock_timeout`:
    who deadlocks with us goes on, and we step back."""
    insistent_lock_s: float = 1.2
    """From the third attempt on. More than `deadlock_timeout`, after which the server sends an autovacuum away."""
    hold_s: float = 1.0
    """How long a lock may be held, else the transaction is rolled back and tried again."""
    total_s: float = 120.0
    """For all attempts at one step."""

    @property
    def longest_s(self) -> float:
        """How long one statement of a writer waits at the most."""
        return max(self.lock_s, self.insistent_lock_s) + self.hold_s


class HeldTooLong(Exception):
    """A lock would have been held for longer than promised."""


class Connection:
    """A connection for statements that commit by themselves, and for transactions where asked for. One thread."""

    def __init__(self, raw: Any, patience: Patience) -> None:
        self._raw = raw
        self.patience = patience

    def run(self, statement: str, parameters: Parameters = None) -> int:
        """Execute it; returns how many rows it changed."""
        with self._raw.cursor() as cursor:
            cursor.execute(statement, parameters)
            return int(cursor.rowcount)

    def rows(self, statement: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """Execute it; returns its rows."""
        with self._raw.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())

    def value(self, statement: str, parameters: Parameters = None) -> Any:
        """Execute it; returns the first column of its one row."""
        return self.rows(statement, parameters)[0][0]

    def run_values(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        """Execute it with all the values in the place of its one `%s`."""
        with self._raw.cursor() as cursor:
            execute_values(cursor, statement, values)

    @contextmanager
    def transaction(self, mode: str = "ISOLATION LEVEL REPEATABLE READ") -> Iterator[None]:
        """What the block executes, all or nothing."""
        self.run(f"BEGIN {mode}")
        try:
            yield
        except BaseException:
            if not self._raw.closed:
                self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    def locking(self, table: str, work: Callable[[], None], before: Callable[[], None] | None = None) -> None:
        """Do it in a transaction that waits for locks no longer than `patience` says, and again until it succeeds.

        `before` is called ahead of each attempt, outside of the transaction.

        Raises:
            Conflict: the table was in use for all of that time; the message says by whom.
        """
        self._again(table, lambda attempt: self._bounded(work, before, attempt), snapshots=False)

    def unhurried(self, table: str, work: Callable[[], None]) -> None:
        """As `locking`, for a statement that makes nobody wait and must not be in a transaction."""
        self._again(table, lambda _: self._waiting(work), snapshots=True)

    def take_lock(self) -> None:
        """Keep other migrations out until the connection ends or `give_lock`.

        Raises:
            Unavailable: another one is still running.
        """
        await_lock(lambda: bool(self.value("SELECT pg_try_advisory_lock(%s)", (KEY,))))

    def give_lock(self) -> None:
        """Let other migrations in."""
        self.run("SELECT pg_advisory_unlock(%s)", (KEY,))

    def _bounded(self, work: Callable[[], None], before: Callable[[], None] | None, attempt: int) -> None:
        if before is not None:
            before()
        lock_s = self.patience.lock_s if attempt <= _GENTLE_ATTEMPTS else self.patience.insistent_lock_s
        with self.transaction():
            self.run(f"SET LOCAL lock_timeout = {int(lock_s * 1000)}")
            self.run(f"SET LOCAL statement_timeout = {int((lock_s + self.patience.hold_s) * 1000)}")
            work()

    def _waiting(self, work: Callable[[], None]) -> None:
        self.run(f"SET lock_timeout = {int(self.patience.total_s * 1000)}")
        try:
            work()
        finally:
            if not self._raw.closed:
                self.run("SET lock_timeout = 0")

    def _again(self, table: str, work: Callable[[int], None], *, snapshots: bool) -> None:
        deadline_s = time.monotonic() + self.patience.total_s
        pause_s = 0.1
        for attempt in count(1):
            try:
                work(attempt)
            except (*_IN_THE_WAY, HeldTooLong):
                if time.monotonic() + pause_s > deadline_s:
                    raise Conflict(self._in_use(table, snapshots=snapshots)) from None
            else:
                return
            time.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    def _in_use(self, table: str, *, snapshots: bool) -> str:
        """Why the step was given up; with `snapshots` it also waits for older ones of the whole database."""
        holders = self.rows(_HOLDERS, {"table": table, "snapshots": snapshots})
        if holders:
            pid, user, name, state, age = holders[0]
            what = "a transaction" if snapshots else "it"
            holder = (
                f"; process {pid} (user {user}, {name or 'unnamed'}, {state}) has held {what} for {age}: "
                f"let it end, or end it with SELECT pg_terminate_backend({pid})"
            )
        elif not self.value(_SEES_OTHERS):
            holder = "; this user cannot see by whom: GRANT pg_read_all_stats"
        else:
            holder = ""
        return f"the table {table} was in use for {self.patience.total_s:g} s without a gap{holder}"


@contextmanager
def connected(url: str, settings: DatabaseSettings, patience: Patience) -> Iterator[Connection]:
    """A connection to work on, closed at the end.

    Raises:
        PersistenceError: by class, whatever goes wrong with the database in the block.
    """
    with translated():
        target = normalise_url(url)
        arguments = connect_args(target, settings, "adopt")
        plain = target.set(drivername="postgresql").difference_update_query(["options"])
        raw = psycopg2.connect(plain.render_as_string(hide_password=False), **arguments)
        try:
            raw.autocommit = True
            connection = Connection(raw, patience)
            _settle(connection, raw.server_version)
            yield connection
        finally:
            raw.close()


def _settle(connection: Connection, version: int) -> None:
    """No limits of time but those that are set on purpose, and every digit of binary floats."""
    for name, value in (
        ("statement_timeout", 0),
        ("lock_timeout", 0),
        ("extra_float_digits", 1),
        ("row_security", "off"),
        ("jit", "off"),
        # An orphan of a killed program ends soon, and with it the migration lock that it holds.
        *((("client_connection_check_interval", 1000),) if version >= 140_000 else ()),
    ):
        connection.run(f"SET {name} = {value}")
