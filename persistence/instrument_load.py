"""Loading a file of instruments into the catalogue: one transaction, set by set, beside a daemon that trades.

The valid lines go by COPY into a temporary table; what is new or differs is found there by a join, and then merged
portion by portion in the order of the key. A row that is as it was is not written, not even locked.

While somebody trades, all of it goes in small portions with pauses between them. What happens in temporary tables is
committed portion by portion, so that only the merge is one long transaction: as long as one that writes is open, the
server keeps every version of the rows that a daemon updates, and each of its commits has more of them to pass.
"""

# ruff: noqa: S608 - names come from the models, values travel as parameters

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import cast

import psycopg2.extensions
from sqlalchemy import Connection, create_mock_engine, insert, text
from sqlalchemy.exc import DBAPIError

from persistence import models
from persistence.database import UNLIMITED_TRANSACTION, Database
from persistence.errors import Conflict, PersistenceError, Unavailable
from persistence.instrument_file.fields import INT32_MAX
from persistence.instrument_file.screening import Screening
from persistence.pacing import Pacing
from persistence.records import InstrumentCounts, LoadRecord
from persistence.unit_of_work import UnitOfWork

LIMITS_S: dict[str, float] = {"statement_timeout": 600, "idle_in_transaction_session_timeout": 600, "lock_timeout": 10}
"""Of the session: a statement may be about all of the file, and a pipe be slow to be written."""
LOCK_NOT_AVAILABLE, QUERY_CANCELED = "55P03", "57014"
LOCK_KEY = 0x63617461
"""Of the advisory lock that lets one load run at a time."""
PORTION_PAGES = 64
"""Pages of the temporary table that are merged at once: about 3,000 rows."""
PACED_PAGES = 4
"""The same while somebody trades: a commit of theirs waits until what came before it in the log is durable."""
PACED_LINES = 10_000
"""Lines that are compared at once while somebody trades."""
MOST_PORTIONS = 64
"""Of a comparison, as each reads all lines."""
LEAST_SHARE = 0.5
"""With `full`, the share of the active instruments that a file must list, unless it is agreed otherwise."""
SOURCE_CHARACTERS = 255

_dialect = create_mock_engine("postgresql+psycopg2://", lambda *_: None).dialect


class LoadRefused(PersistenceError):
    """The load was not done, to protect the catalogue; nothing was changed."""


class AnotherLoad(Conflict):
    """Another load is running."""


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """What is asked for besides the file.

    Args:
        full: the file lists all there is: active instruments that it does not list become inactive.
        strict: refuse a file with lines that are no rows.
        agreed: whatever `full` would do is meant.
    """

    full: bool = False
    strict: bool = False
    agreed: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did.

    Args:
        record: what became of the catalogue.
        duplicates: rows that a later one of the same file replaced.
        paused_s: how long it paused, as somebody traded.
    """

    record: LoadRecord
    duplicates: int
    paused_s: float


OnMerged = Callable[[int, int], None]
"""Told how many rows of how many are merged, after each portion."""


def load(database: Database, screening: Screening, order: LoadOrder, on_merged: OnMerged = lambda *_: None) -> Loaded:
    """Load the file; all of it counts after the COMMIT, or nothing.

    Raises:
        LoadRefused: no line of it is a row, or `order` refuses what it would do.
        UnusableFile: it cannot be read to its end.
        Conflict: the catalogue was locked by somebody else for all the time that a load waits.
        PersistenceError: the database's other failures, by class.
    """
    with _own_limits_told(), database.writer_unit() as work, _alone(work.connection):
        catalogue = _Catalogue(work, screening)
        catalogue.copy_lines()
        _check_lines(screening, order)
        duplicates = catalogue.find_changes()
        if order.full:
            _check_full(screening, order, catalogue.listed, work.instruments.counts())
        work.connection.execute(UNLIMITED_TRANSACTION)
        catalogue.merge(on_merged)
        deactivated = catalogue.deactivate_unlisted() if order.full else 0
        work.registry.follow_catalogue()
        record = catalogue.note(deactivated)
        work.commit()
    return Loaded(record, duplicates, catalogue.pacing.paused_s)


def _check_lines(screening: Screening, order: LoadOrder) -> None:
    if not screening.rows:
        raise LoadRefused(f"{screening.name}: no line of it is a valid row; nothing was changed")
    if order.strict and screening.refused:
        raise LoadRefused(
            f"{screening.name}: {screening.refused} of its lines are no valid rows; nothing was changed (--strict)"
        )


def _check_full(screening: Screening, order: LoadOrder, listed: int, before: InstrumentCounts) -> None:
    if order.agreed:
        return
    if listed < before.active * LEAST_SHARE:
        raise LoadRefused(
            f"{screening.name} lists {listed} instruments, while {before.active} are active: --full would deactivate"
            " most of the market; nothing was changed, give --yes if that is meant"
        )
    if screening.unknown:
        raise LoadRefused(
            f"{screening.name}: {screening.unknown} invalid lines do not tell their instrument, and --full would"
            " deactivate it; nothing was changed, correct them, or give --yes"
        )


@contextmanager
def _own_limits_told() -> Iterator[None]:
    """Let no error name the settings of other transactions: what has ended the load is one of `LIMITS_S`."""
    try:
        yield
    except PersistenceError as error:
        if error.sqlstate == LOCK_NOT_AVAILABLE:
            what = f"the catalogue was locked by another transaction for the {LIMITS_S['lock_timeout']:g} s that a load"
            raise Conflict(f"{what} waits: let that one end; nothing was changed", error.sqlstate) from error
        if error.sqlstate == QUERY_CANCELED:
            what = f"a statement of the load was cancelled, or took longer than {LIMITS_S['statement_timeout']:g} s"
            raise Unavailable(f"{what}: see the server's log; nothing was changed", error.sqlstate) from error
        raise


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Let no other load in, and let the session have the limits of one; it is as before afterwards, or gone.

    Raises:
        AnotherLoad: one is running.
    """
    if not connection.execute(text(f"SELECT pg_try_advisory_lock({LOCK_KEY})")).scalar_one():
        raise AnotherLoad("another load of instruments is running: wait until it has ended")
    try:
        for name, seconds in LIMITS_S.items():
            connection.execute(text(f"SET {name} = '{seconds}s'"))
        connection.commit()
        yield
    finally:
        _give_up(connection)


def _give_up(connection: Connection) -> None:
    """Temporary tables, limits and lock; with the session where it does not answer."""
    if connection.invalidated:
        return
    try:
        connection.rollback()
        connection.execute(text("DISCARD TEMP"))
        for name in LIMITS_S:
            connection.execute(text(f"RESET {name}"))
        connection.execute(text(f"SELECT pg_advisory_unlock({LOCK_KEY})"))
        connection.commit()
    except DBAPIError:
        connection.invalidate()


class _Catalogue:
    """The statements of one load, in the order of its methods."""

    def __init__(self, work: UnitOfWork, screening: Screening) -> None:
        self._work = work
        self._screening = screening
        self._columns = screening.layout.columns
        self._merged = tuple(dict.fromkeys((*self._columns, "exchange_token")))
        self.pacing = Pacing(work.leases.any_in_force)
        self.listed = 0
        self._new = 0
        self._changed = 0

    @property
    def _connection(self) -> Connection:
        return self._work.connection

    @contextmanager
    def _staged(self) -> Iterator[None]:
        """A portion of what happens in temporary tables: committed at once."""
        with self.pacing.portion():
            if not self._connection.in_transaction():
                self._connection.begin()  # as SQLAlchemy does not see what goes by the driver's cursor
            yield
            self._connection.commit()
        # Whether somebody trades was asked after that: no transaction stays open while a slow pipe is read.
        self._connection.commit()

    def copy_lines(self) -> None:
        """Have the server read the valid lines, block by block."""
        typed = ", ".join(f"{name} {_sql_type(name)}" for name in self._columns)
        with self._staged():
            self._connection.execute(text(f"CREATE TEMP TABLE instrument_lines ({typed})"))
        driver = cast("psycopg2.extensions.connection", self._connection.connection.driver_connection)
        copy = f"COPY instrument_lines ({', '.join(self._columns)}) FROM STDIN (FORMAT csv, FORCE_NOT_NULL (name))"
        with closing(driver.cursor()) as cursor:
            while block := self._screening.read():
                with self._staged():
                    cursor.copy_expert(copy, BytesIO(block), size=len(block))

    def find_changes(self) -> int:
        """Set apart the rows that are new or differ, by token; returns how many lines were duplicates.

        Of several lines of one instrument the last counts: the server keeps lines in the order in which they came.
        """
        for name, columns in (("listed_instruments", ("instrument_token",)), ("instrument_changes", self._merged)):
            typed = ", ".join(f"{column} {_sql_type(column)}" for column in columns)
            marked = ", is_new boolean" if name == "instrument_changes" else ""
            self._connection.execute(text(f"CREATE TEMP TABLE {name} ({typed}{marked})"))
        values = ", ".join(f"{self._value(name)} AS {name}" for name in self._merged)
        new = ", ".join(f"line.{name}" for name in self._columns)
        old = ", ".join(f"known.{name}" for name in self._columns)
        within = "instrument_token BETWEEN CAST(:first AS bigint) AND CAST(:last AS bigint)"
        statement = text(f"""
            WITH listed AS MATERIALIZED (
                SELECT DISTINCT ON (instrument_token) * FROM instrument_lines WHERE {within}
                 ORDER BY instrument_token, ctid DESC
            ), noted AS (
                INSERT INTO listed_instruments SELECT instrument_token FROM listed
            )
            INSERT INTO instrument_changes
            SELECT {values}, known.instrument_token IS NULL AS is_new
              FROM listed AS line
              LEFT JOIN (SELECT * FROM instruments WHERE {within}) AS known USING (instrument_token)
             WHERE known.instrument_token IS NULL OR known.is_active IS NOT TRUE
                OR ({new}) IS DISTINCT FROM ({old})
             ORDER BY instrument_token
        """)
        for first, last in self._ranges():
            with self._staged():
                self._connection.execute(statement, {"first": first, "last": last})
        counts = """
            SELECT (SELECT count(*) FROM listed_instruments), count(*) FILTER (WHERE is_new),
                   count(*) FILTER (WHERE NOT is_new) FROM instrument_changes
        """
        with self._staged():
            self.listed, self._new, self._changed = self._connection.execute(text(counts)).one()
        return self._screening.rows - self.listed

    def _ranges(self) -> list[tuple[int, int]]:
        """Ranges of tokens with about as many lines each: one of all tokens while nobody trades."""
        portions = min(-(-self._screening.rows // PACED_LINES), MOST_PORTIONS) if self.pacing.trading() else 1
        shares = [portion / portions for portion in range(1, portions)]
        cut = text("""
            SELECT percentile_disc(CAST(:shares AS float8[])) WITHIN GROUP (ORDER BY instrument_token)
              FROM instrument_lines
        """)
        with self._staged():
            ends = self._connection.execute(cut, {"shares": shares}).scalar_one() if shares else []
        lasts = [*sorted(set(ends)), INT32_MAX]
        return list(zip((0, *(last + 1 for last in lasts)), lasts, strict=False))

    def _value(self, name: str) -> str:
        """Of a column in the merged row. Kite's instrument tokens hold the exchange's above their last byte."""
        if name in self._columns:
            return f"line.{name}"
        return "COALESCE(known.exchange_token, line.instrument_token >> 8)"

    def merge(self, on_merged: OnMerged) -> None:
        """Write the changes, a portion at a time, so that the log of the server does not swell at once."""
        names = ", ".join(self._merged)
        settings = ", ".join(f"{name} = excluded.{name}" for name in self._merged if name != "instrument_token")
        statement = text(f"""
            INSERT INTO instruments ({names}, is_active, source_file)
            SELECT {names}, true, :source FROM instrument_changes
             WHERE ctid >= CAST(:first AS tid) AND ctid < CAST(:beyond AS tid) ORDER BY instrument_token
            ON CONFLICT (instrument_token) DO UPDATE
               SET {settings}, is_active = true, source_file = excluded.source_file, updated_at = now()
        """)
        size = "SELECT pg_relation_size('instrument_changes') / CAST(current_setting('block_size') AS integer)"
        pages, page, done = self._connection.execute(text(size)).scalar_one(), 0, 0
        while page < pages:
            beyond = page + (PACED_PAGES if self.pacing.trading() else PORTION_PAGES)
            portion = {"first": f"({page},0)", "beyond": f"({beyond},0)", "source": self._source}
            with self.pacing.portion():
                done += self._connection.execute(statement, portion).rowcount
            page = beyond
            on_merged(done, self._new + self._changed)

    def deactivate_unlisted(self) -> int:
        """Mark what the file does not list as inactive, but for instruments of refused lines; returns how many."""
        unlisted = text("""
            UPDATE instruments SET is_active = false, updated_at = now()
             WHERE instrument_token IN (
                   SELECT instrument_token FROM instruments AS known
                    WHERE is_active IS DISTINCT FROM false AND instrument_token <> ALL(CAST(:refused AS integer[]))
                      AND NOT EXISTS (SELECT FROM listed_instruments AS line
                                       WHERE line.instrument_token = known.instrument_token)
                    ORDER BY instrument_token FOR NO KEY UPDATE)
        """)
        return self._connection.execute(unlisted, {"refused": sorted(self._screening.refused_tokens)}).rowcount

    def note(self, deactivated: int) -> LoadRecord:
        """Remember the load; a daemon learns of it by this row."""
        after = self._work.instruments.counts()
        row = {
            "source_file": self._source,
            "listed": self.listed,
            "inserted": self._new,
            "changed": self._changed,
            "deactivated": deactivated,
            "active": after.active,
            "total": after.total,
        }
        table = models.instrument_loads
        noted = self._connection.execute(insert(table).values(row).returning(*table.c)).mappings().one()
        return LoadRecord(**noted)

    @property
    def _source(self) -> str:
        return self._screening.name[-SOURCE_CHARACTERS:]


def _sql_type(name: str) -> str:
    return models.instruments.c[name].type.compile(dialect=_dialect)
