"""Ids of events beyond what four bytes hold, and the way there of a table too large to be locked."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psycopg2
import pytest
from alembic import command
from alembic.util import CommandError

from persistence.adoption.connection import Patience
from persistence.adoption.undo import Undone, undo
from persistence.database import open_database
from persistence.errors import NotMigrated, PersistenceError
from persistence.migration import configuration, upgrade
from persistence.urls import normalise_url
from settings import DatabaseSettings
from tests.adoption.dumps import schema_of
from tests.conftest import execute
from tests.persistence.databases import connected, name_of, new_database
from tests.persistence.rows import Event
from tests.steady_clock import SteadyClock

ROOT = Path(__file__).parents[2]
HIGHEST_INTEGER = 2**31 - 1
TOO_MANY = 100_001
"""Rows that are copied, and not written anew in place."""
MANY = f"""
    INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data,
                                event_timestamp)
    SELECT 'old-' || n, 'order_filled', 'paper', 's' || n % 7, n % 50, jsonb_build_object('n', n), '2025-01-01'
      FROM generate_series(1, {TOO_MANY}) AS n
"""
EXHAUSTED = f"SELECT setval('trading_events_id_seq', {HIGHEST_INTEGER})"
COPY, PROGRESS = "_new_trading_events", "SELECT count(*) > 0 FROM _adoption"


@pytest.fixture(scope="session")
def many_template(postgres_url: str) -> Iterator[str]:
    """The name of a database at 0007 with many events."""
    with new_database(postgres_url) as url:
        command.upgrade(configuration(url), "0007")
        for statement in (MANY, "VACUUM ANALYZE trading_events"):
            execute(url, statement)
        yield name_of(url)


@pytest.fixture
def many_url(postgres_url: str, many_template: str) -> Iterator[str]:
    """A database at 0007 with more events than are written anew in place."""
    with new_database(postgres_url, many_template) as url:
        yield url


@pytest.fixture(scope="session")
def head_schema(postgres_url: str) -> str:
    """What `pg_dump` says of a database that has walked from empty to head."""
    with new_database(postgres_url) as url:
        upgrade(url)
        return schema_of(url, side_tables=True)


def add_events(url: str, *names: str) -> None:
    database = open_database(url, DatabaseSettings(), "tests")
    try:
        with database.writer_unit() as unit:
            unit.events.copy([Event(name, event_data=b"{}") for name in names])  # type: ignore[arg-type]
            unit.commit()
    finally:
        database.close()


def books(url: str) -> tuple[Any, ...]:
    """How many events there are, and what they hold, as one figure each."""
    columns = "id, event_id, strategy_id, instrument_token, event_data, event_timestamp, created_at"
    return execute(
        url, f"SELECT count(*), sum(id), sum(hashtext(row({columns})::text)) FROM trading_events WHERE id > 0"
    )[0]


class Trader:
    """Adds, changes and deletes events in a thread of its own, and remembers which are left."""

    def __init__(self, url: str) -> None:
        self.left: dict[str, int] = {}
        self.errors: list[psycopg2.Error] = []
        self.longest_s = 0.0
        self._url = normalise_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._stop = threading.Event()
        self._clock = SteadyClock()
        self._thread = threading.Thread(target=self._trade, name="trader")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(90)
        assert not self._thread.is_alive()

    def _trade(self) -> None:
        connection = psycopg2.connect(self._url)
        connection.autocommit = True
        number = 0
        try:
            with self._clock, connection.cursor() as cursor:
                while not self._stop.wait(0.002):
                    number += 1
                    self._run(
                        cursor,
                        "INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, "
                        "instrument_token, event_data, event_timestamp) VALUES (%s, 't', 'paper', 's', 0, '{}', now())",
                        (f"new-{number}",),
                    )
                    self.left[f"new-{number}"] = 0
                    if number % 3 == 0:
                        self._run(
                            cursor,
                            "UPDATE trading_events SET instrument_token = %s WHERE event_id = %s",
                            (number, f"new-{number}"),
                        )
                        self.left[f"new-{number}"] = number
                    if number % 5 == 0:
                        self._run(cursor, "DELETE FROM trading_events WHERE event_id = %s", (f"new-{number - 1}",))
                        del self.left[f"new-{number - 1}"]
        except psycopg2.Error as error:
            self.errors.append(error)
        finally:
            connection.close()

    def _run(self, cursor: Any, statement: str, parameters: tuple[Any, ...]) -> None:
        started = self._clock.seconds()
        cursor.execute(statement, parameters)
        self.longest_s = max(self.longest_s, self._clock.seconds() - started)


def test_ids_end_before_and_go_on_after(empty_url: str) -> None:
    command.upgrade(configuration(empty_url), "0007")
    execute(empty_url, EXHAUSTED)
    with pytest.raises((psycopg2.Error, PersistenceError), match="reached maximum value of sequence"):
        add_events(empty_url, "a")

    upgrade(empty_url)
    add_events(empty_url, "a", "b")

    ids = execute(empty_url, "SELECT id FROM trading_events ORDER BY id")
    assert ids == [(HIGHEST_INTEGER + 1,), (HIGHEST_INTEGER + 2,)]


def test_a_large_table_is_replaced_while_it_is_written_to(many_url: str, head_schema: str) -> None:
    before = books(many_url)

    with Trader(many_url) as trader:
        upgrade(many_url)

    assert trader.errors == []
    assert trader.longest_s < Patience().longest_s
    found = execute(many_url, "SELECT event_id, instrument_token FROM trading_events WHERE event_id LIKE 'new-%'")
    assert dict(found) == trader.left
    execute(many_url, "DELETE FROM trading_events WHERE event_id LIKE 'new-%'")
    assert books(many_url) == before
    assert schema_of(many_url, side_tables=True) == head_schema
    execute(many_url, EXHAUSTED)
    add_events(many_url, "beyond")
    assert execute(many_url, "SELECT max(id) FROM trading_events") == [(HIGHEST_INTEGER + 1,)]


@pytest.mark.parametrize(
    "moment",
    [
        f"SELECT to_regclass('{COPY}') IS NOT NULL",
        PROGRESS,
        "SELECT to_regclass('_new_idx_trading_events_broker_time') IS NOT NULL",
        "SELECT to_regclass('_new_idx_trading_events_instrument_time') IS NOT NULL",
    ],
    ids=["begun", "some rows copied", "an index built", "all indexes built"],
)
def test_killed_at_any_moment_it_is_run_again(many_url: str, head_schema: str, moment: str) -> None:
    before = books(many_url)
    kill_upgrade(many_url, moment)
    assert execute(many_url, "SELECT version_num FROM alembic_version") == [("0007",)]
    add_events(many_url, "between")

    upgrade(many_url)

    execute(many_url, "DELETE FROM trading_events WHERE event_id = 'between'")
    assert books(many_url) == before
    assert schema_of(many_url, side_tables=True) == head_schema


def kill_upgrade(url: str, moment: str) -> None:
    """Start an upgrade in a process, and kill it once the query says so."""
    program = "import sys; from persistence.migration import upgrade; upgrade(sys.argv[1])"
    pause = threading.Event()
    with (
        connected(url) as connection,
        subprocess.Popen([sys.executable, "-c", program, url], cwd=ROOT, stderr=subprocess.PIPE) as process,
    ):
        begun = "SELECT to_regclass('_adoption') IS NOT NULL"
        while not (connection.exec_driver_sql(begun).scalar() and connection.exec_driver_sql(moment).scalar()):
            assert process.poll() is None
            pause.wait(0.002)
        process.kill()


def test_where_only_the_revision_was_not_noted_it_is_noted(many_url: str, head_schema: str) -> None:
    upgrade(many_url)
    before = execute(many_url, "SELECT pg_relation_filenode('trading_events')")
    execute(many_url, "UPDATE alembic_version SET version_num = '0007'")

    upgrade(many_url)

    assert execute(many_url, "SELECT pg_relation_filenode('trading_events')") == before
    assert schema_of(many_url, side_tables=True) == head_schema


def test_an_unfinished_copy_can_be_dropped(many_url: str) -> None:
    execute(many_url, "CREATE TABLE _dup_trading_sessions_0002 (LIKE trading_sessions)")
    before, schema = books(many_url), schema_of(many_url, side_tables=True)
    kill_upgrade(many_url, PROGRESS)

    assert undo(many_url, DatabaseSettings()) == Undone(("trading_events",), replaced=False)

    assert books(many_url) == before
    assert schema_of(many_url, side_tables=True) == schema


def test_what_hangs_on_a_large_table_is_named_and_not_lost(many_url: str) -> None:
    execute(many_url, "CREATE VIEW latest AS SELECT max(event_timestamp) FROM trading_events")

    with pytest.raises(NotMigrated, match="view latest hangs on trading_events"):
        upgrade(many_url)

    assert execute(many_url, "SELECT count(*) FROM latest") == [(1,)]
    execute(many_url, "DROP VIEW latest")
    upgrade(many_url)


def test_a_table_that_is_only_named_as_the_copy_is_named_and_nothing_is_copied_into_it(many_url: str) -> None:
    execute(many_url, f"CREATE TABLE {COPY} AS SELECT 'precious' AS mine")
    before = books(many_url)

    with pytest.raises(NotMigrated, match=f"{COPY} would be made here and exists already"):
        upgrade(many_url)
    assert undo(many_url, DatabaseSettings()) == Undone((), replaced=False, left=(COPY,))

    assert execute(many_url, f"SELECT mine FROM {COPY}") == [("precious",)]
    assert books(many_url) == before
    execute(many_url, f"DROP TABLE {COPY}")
    upgrade(many_url)


def test_the_way_back_is_refused_once_an_id_is_too_high(empty_url: str) -> None:
    upgrade(empty_url)
    execute(empty_url, EXHAUSTED)
    add_events(empty_url, "a")

    with pytest.raises(CommandError, match=rf"trading_events has given the id {HIGHEST_INTEGER + 1}"):
        command.downgrade(configuration(empty_url), "0007")

    assert execute(empty_url, "SELECT id FROM trading_events") == [(HIGHEST_INTEGER + 1,)]
