"""Checks of the database: whether it answers, is at head, agrees about the time, and has ids left to give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from actors.diagnosis import UNAVAILABLE, Check, CheckFailed, Health
from persistence.errors import Conflict, PersistenceError, Unavailable
from settings import program

CLOCK_OFF_S = 2.0
"""Between our clock and the database's, which ends the leases and orders what is stored."""

IDS_GIVEN = 0.8
"""The part of its ids that a table may have given before somebody should know."""


class Database(Protocol):
    """What the checks need of the database."""

    def ping(self) -> float: ...

    def check_schema(self) -> None: ...

    def clock_ahead_s(self) -> float: ...

    def ids_given(self) -> tuple[float, str]: ...


def database_checks(database: Database) -> list[Check]:
    """The checks of that database."""
    return [
        Check("PostgreSQL", _postgres(database), essential=True, exit_code=69),
        Check("Schema", _schema(database), essential=True, exit_code=78),
        Check("Clock", _clock(database)),
        Check("Ids", _ids(database)),
    ]


def _postgres(database: Database) -> Callable[[], str]:
    def check() -> str:
        try:
            return f"answers in {database.ping() * 1000:.1f} ms"
        except PersistenceError as error:
            raise CheckFailed(
                str(error), "see that the server runs and that DATABASE__POSTGRES_URL is right"
            ) from error

    return check


def _schema(database: Database) -> Callable[[], str]:
    def check() -> str:
        try:
            database.check_schema()
        except PersistenceError as error:
            cures = (f"run `{program()} db {words}`" for words in ("upgrade", "adopt --dry-run"))
            told = next((cure for cure in cures if cure in str(error)), "see PostgreSQL")
            passes = isinstance(error, (Unavailable, Conflict))
            raise CheckFailed(str(error), told, exit_code=UNAVAILABLE if passes else None) from error
        return "at head"

    return check


def _clock(database: Database) -> Callable[[], str]:
    def check() -> str:
        try:
            ahead_s = database.clock_ahead_s()
        except PersistenceError as error:
            raise CheckFailed(str(error), "see PostgreSQL") from error
        if abs(ahead_s) > CLOCK_OFF_S:
            where = "ahead of" if ahead_s > 0 else "behind"
            found = f"the database's clock is {abs(ahead_s):.1f} s {where} ours"
            raise CheckFailed(found, "have both hosts' clocks set by NTP", Health.DEGRADED)
        return f"{abs(ahead_s) * 1000:.0f} ms from the database's"

    return check


def _ids(database: Database) -> Callable[[], str]:
    def check() -> str:
        try:
            share, table = database.ids_given()
        except PersistenceError as error:
            raise CheckFailed(str(error), "see PostgreSQL") from error
        if share > IDS_GIVEN:
            found = f"{table} has given {share:.0%} of its ids, and takes no row after the last"
            raise CheckFailed(found, "set its sequence back to the highest id in use", Health.DEGRADED)
        return f"at most {share:.0%} given"

    return check
