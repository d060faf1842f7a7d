from __future__ import annotations

import pytest
from sqlalchemy import text

from persistence.database import Database
from persistence.errors import NotMigrated, Poison, Unavailable
from persistence.unit_of_work import UnitOfWork
from tests.persistence.databases import connected
from tests.persistence.rows import Entry, Event

COUNT = text("SELECT count(*) FROM inbox")


def stored(url: str) -> int:
    with connected(url) as other:
        return int(other.execute(COUNT).scalar_one())


def test_what_is_committed_is_seen_by_another_connection(database: Database, database_url: str) -> None:
    with database.writer_unit() as unit:
        unit.inbox.add([Entry("c", "1")])
        unit.commit()

    assert stored(database_url) == 1


def test_what_is_not_committed_is_rolled_back(database: Database, database_url: str) -> None:
    with database.writer_unit() as unit:
        unit.inbox.add([Entry("c", "1")])

    assert stored(database_url) == 0


def test_an_error_in_the_body_rolls_back_and_passes(database: Database, database_url: str) -> None:
    def work() -> None:
        with database.writer_unit() as unit:
            unit.inbox.add([Entry("c", "1")])
            raise KeyError

    with pytest.raises(KeyError):
        work()

    assert stored(database_url) == 0


def test_only_what_came_before_the_commit_stays(database: Database, database_url: str) -> None:
    with database.writer_unit() as unit:
        unit.inbox.add([Entry("c", "1")])
        unit.commit()
        unit.inbox.add([Entry("c", "2")])

    assert stored(database_url) == 1


def test_poison_takes_the_whole_transaction_with_it(database: Database, database_url: str) -> None:
    def work() -> None:
        with database.writer_unit() as unit:
            unit.inbox.add([Entry("c", "1")])
            unit.events.add([Event("1", event_data={"text": "\0"})])

    with pytest.raises(Poison):
        work()

    assert stored(database_url) == 0


def test_errors_of_statements_are_translated(database: Database) -> None:
    with pytest.raises(NotMigrated, match="alpha-panda db upgrade"), database.writer_unit() as unit:
        unit.connection.execute(text("SELECT * FROM nowhere"))


def test_a_connection_lost_before_the_commit_is_unavailable_and_leaves_nothing(
    database: Database, database_url: str
) -> None:
    with database.writer_unit() as unit:
        unit.inbox.add([Entry("c", "1")])
        kill_backend(database_url, backend_of(unit))
        with pytest.raises(Unavailable):
            unit.commit()

    assert stored(database_url) == 0


def test_after_a_lost_connection_the_next_unit_has_a_fresh_one(database: Database, database_url: str) -> None:
    def work() -> None:
        with database.writer_unit() as unit:
            kill_backend(database_url, backend_of(unit))
            unit.inbox.add([Entry("c", "1")])

    with pytest.raises(Unavailable):
        work()

    with database.writer_unit() as unit:
        unit.inbox.add([Entry("c", "1")])
        unit.commit()
    assert stored(database_url) == 1


def test_a_connection_lost_between_two_units_costs_one_attempt(database: Database, database_url: str) -> None:
    with database.writer_unit() as unit:
        backend = backend_of(unit)
    kill_backend(database_url, backend)

    with pytest.raises(Unavailable), database.writer_unit() as unit:
        unit.inbox.add([Entry("c", "1")])
    with database.writer_unit() as unit:
        assert unit.inbox.add([Entry("c", "1")])


def test_outside_its_with_a_unit_has_no_connection(database: Database) -> None:
    with pytest.raises(RuntimeError):
        _ = database.writer_unit().connection


def backend_of(unit: UnitOfWork) -> int:
    return int(unit.connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def kill_backend(url: str, pid: int) -> None:
    with connected(url) as other:
        assert other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar_one()
