"""The one place where errors of the driver become ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from persistence.errors import (
    Conflict,
    Misconfigured,
    NotMigrated,
    PersistenceError,
    Poison,
    Unavailable,
    how_to_upgrade,
)

# Tried in order; a code belongs to the first prefix that it begins with.
_BY_SQLSTATE: tuple[tuple[str, type[PersistenceError]], ...] = (
    ("40003", Unavailable),
    ("40", Conflict),
    ("55P03", Conflict),
    ("08", Unavailable),
    ("53", Unavailable),
    ("57", Unavailable),
    ("58", Unavailable),
    ("25006", Unavailable),
    ("25P03", Unavailable),
    ("25P04", Unavailable),
    ("XX001", Unavailable),
    ("XX002", Unavailable),
    ("2200H", Unavailable),
    ("21000", Poison),
    ("22", Poison),
    ("23", Poison),
    ("54", Poison),
    ("28", Misconfigured),
    ("3D", Misconfigured),
    ("42501", Misconfigured),
    ("42P01", NotMigrated),
    ("42703", NotMigrated),
    ("42704", NotMigrated),
    ("42804", NotMigrated),
    ("42883", NotMigrated),
    ("42P10", NotMigrated),
    ("3F", NotMigrated),
)

_NOT_PASSED_ON = "unsupported startup parameter"
"""What PgBouncer says where it has not been told to let the time limits go."""

# A refused connection carries no SQLSTATE in psycopg2, only libpq's text.
_REFUSED_FOR_GOOD = (
    "password authentication failed",
    "no password supplied",
    "authentication failed",
    "no pg_hba.conf entry",
    " does not exist",
    "permission denied for database",
    "invalid port number",
    "invalid connection option",
    "invalid dsn",
    "invalid value for parameter",
    "unrecognized configuration parameter",
    "server does not support SSL",
    "certificate verify failed",
    "invalid sslmode value",
)
_PLAIN = {
    "53100": "the database's disk is full",
    "2200H": "a table has given all of its ids",
    "57014": "a statement took longer than DATABASE__STATEMENT_TIMEOUT_MS",
    "55P03": "a lock was not free within DATABASE__LOCK_TIMEOUT_MS",
    "25P04": "a transaction took longer than DATABASE__TRANSACTION_TIMEOUT_MS",
    "25006": "the database is read-only (a standby?)",
}

# Messages of class 22 quote the data, which may be secret.
_QUOTED = re.compile(r'"[^"]*"')


@contextmanager
def translated() -> Iterator[None]:
    """Let errors of the driver leave as classes of `persistence.errors`; all other errors pass untouched."""
    try:
        yield
    except (
        StatementError,
        psycopg2.Error,
        PoolTimeout,
        ArgumentError,
        NoSuchModuleError,
        ValueError,
        OverflowError,
    ) as error:
        ours = translate(error)
        if ours is None:
            raise
        raise ours from error


def translate(error: Exception) -> PersistenceError | None:
    """Our error for one of the driver's, or None where it is not the driver's."""
    if isinstance(error, PoolTimeout):
        return Unavailable("no database connection became free in time (DATABASE__POOL_SIZE, DATABASE__POOL_TIMEOUT_S)")
    if isinstance(error, DBAPIError):
        return _from_driver(error.orig, error.connection_invalidated)
    if isinstance(error, psycopg2.Error):
        return _from_driver(error, lost=False)
    if isinstance(error, StatementError) and isinstance(error.orig, Exception):
        return translate(error.orig) if not isinstance(error.orig, StatementError) else None
    if isinstance(error, (ArgumentError, NoSuchModuleError)):
        return Misconfigured(
            "the database URL cannot be used: give DATABASE__POSTGRES_URL as postgresql://user@host/name"
        )
    if isinstance(error, OverflowError):
        return Poison("a number is too large to be stored")
    if isinstance(error, UnicodeEncodeError) or (isinstance(error, ValueError) and "NUL" in str(error)):
        return Poison("a text has characters that cannot be stored (NUL or a lone surrogate)")
    return None


def _from_driver(error: BaseException | None, lost: bool) -> PersistenceError:
    """For an error of psycopg2; `lost` says that SQLAlchemy found the connection closed by it."""
    sqlstate: str | None = getattr(error, "pgcode", None)
    line = _first_line(error)
    if sqlstate is None:
        return _without_sqlstate(error, lost, line)
    kind = next((kind for prefix, kind in _BY_SQLSTATE if sqlstate.startswith(prefix)), PersistenceError)
    if kind is NotMigrated:
        return NotMigrated(f"the database schema does not fit this version ({line}): {how_to_upgrade()}", sqlstate)
    if sqlstate.startswith("22"):
        line = _QUOTED.sub("..", line)
    plain = _PLAIN.get(sqlstate)
    return kind(f"{plain}: {line}" if plain else f"the database reports: {line}", sqlstate)


def _without_sqlstate(error: BaseException | None, lost: bool, line: str) -> PersistenceError:
    if _NOT_PASSED_ON in line:
        return Misconfigured(f'the pooler refuses the connection: {line}; see "Behind PgBouncer" in docs/database.md')
    if any(text in line for text in _REFUSED_FOR_GOOD):
        return Misconfigured(f"the database refuses the connection: {line}; see DATABASE__POSTGRES_URL")
    if lost or type(error).__name__ in {"OperationalError", "InterfaceError"}:
        return Unavailable(f"the database is not reachable: {line}")
    if type(error).__name__ == "DataError":
        return Poison(f"the database driver reports: {line}")
    return PersistenceError(f"the database driver reports: {line}")


def _first_line(error: BaseException | None) -> str:
    diagnostics = getattr(error, "diag", None)
    primary = getattr(diagnostics, "message_primary", None)
    lines = (primary or str(error)).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__
