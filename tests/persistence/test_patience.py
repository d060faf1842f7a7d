"""A server that does not answer: whoever waits for it gets an error, and others are left alone."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from persistence.database import Database, open_database
from persistence.errors import PersistenceError, Unavailable
from settings import DatabaseSettings
from tests.persistence.databases import connected


def waiting(database: Database, done: threading.Event, errors: list[PersistenceError]) -> threading.Thread:
    """A thread that waits for the server as long as it takes."""

    def wait() -> None:
        try:
            with database.writer_unit() as unit:
                unit.connection.execute(text("SELECT pg_advisory_lock(7)"))
        except PersistenceError as error:
            errors.append(error)
        done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_wait_that_is_too_long_is_ended_and_the_next_use_connects_anew(database_url: str) -> None:
    settings = DatabaseSettings(lock_timeout_ms=0, statement_timeout_ms=60_000)
    database, done, errors = open_database(database_url, settings, "test"), threading.Event(), []
    with connected(database_url) as other:
        other.execute(text("SELECT pg_advisory_lock(7)"))
        thread = waiting(database, done, errors)

        assert database.patience.cut(60) == 0
        while not done.wait(0.02):
            database.patience.cut(0.05)

    thread.join(60)
    assert [type(error) for error in errors] == [Unavailable]
    with database.writer_unit() as unit:
        assert unit.connection.execute(text("SELECT 1")).scalar_one() == 1
    database.close()


def test_a_connection_that_does_nothing_is_never_cut(database: Database) -> None:
    with database.writer_unit() as unit:
        unit.connection.execute(text("SELECT 1"))

        assert database.patience.cut(0) == 0
        assert unit.connection.execute(text("SELECT 2")).scalar_one() == 2


@pytest.mark.parametrize("times", [1, 2])
def test_a_cut_of_a_closed_connection_is_harmless(database: Database, times: int) -> None:
    with database.reader() as used:
        raw = used.connection.dbapi_connection
    assert raw is not None
    raw.close()

    for _ in range(times):
        raw.cut()
