"""Every way in which a database can differ from the models is found by its name, and nothing else is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import psycopg2
import pytest
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from persistence.errors import Conflict
from persistence.models import metadata
from persistence.schema_facts import Kind, demands
from persistence.urls import normalise_url
from persistence.verification import Finding, Verdict, prove
from tests.conftest import execute
from tests.persistence.databases import connected
from tests.persistence.schema_faults import (
    EVENT,
    INSTRUMENT,
    NOTES,
    REGISTERED,
    ROW_FAULTS,
    SCHEMA_FAULTS,
    SESSION,
    SNAPSHOT,
    STRATEGY,
    Fault,
)
from tests.system.daemon import eventually


def proved(url: str, timeout_s: float = 30) -> list[Finding]:
    engine = create_engine(normalise_url(url), poolclass=NullPool)
    return prove(engine, timeout_s)


def not_passed(url: str) -> list[Finding]:
    return [one for one in proved(url) if one.verdict is not Verdict.PASSED]


def break_by(url: str, fault: Fault) -> None:
    for statement in fault.statements:
        execute(url, statement)


def assert_same(found: Sequence[Finding], fault: Fault) -> None:
    assert [(one.table, one.kind, one.name) for one in found] == [each[:3] for each in fault.found]
    assert {one.verdict for one in found} == {fault.verdict}
    assert [one.detail for one, (*_, words) in zip(found, fault.found, strict=True) if words not in one.detail] == []


@pytest.fixture
def locked(database_url: str) -> Iterator[str]:
    """A database of which a migration holds a table."""
    target = normalise_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    holder = psycopg2.connect(target)
    with contextlib.closing(holder):
        holder.cursor().execute("LOCK TABLE trading_events IN ACCESS EXCLUSIVE MODE")
        yield database_url


class TestAGoodDatabase:
    def test_everything_that_the_models_have_is_proved(self, database_url: str) -> None:
        found = proved(database_url)

        assert [one for one in found if one.verdict is not Verdict.PASSED] == []
        assert {(one.table, one.kind, one.name) for one in found} >= {demand.fact.key for demand in demands()}
        for table in metadata.tables.values():
            columns = {one.name for one in found if one.table == table.name and one.kind is Kind.COLUMN}
            assert columns == set(table.columns.keys())

    def test_rows_that_are_as_they_have_to_be_are_no_finding(self, database_url: str) -> None:
        for statement in (
            SESSION.format("1", "u", "NULL"),
            SNAPSHOT.format("paper:s", "{}", 99, 1),
            STRATEGY.format("[1]", "{}"),
            EVENT.format("e", "{}"),
            INSTRUMENT.format(1, "NULL", "NULL"),
            REGISTERED.format(1),
            "CREATE TABLE _dup_trading_sessions_0002 (LIKE trading_sessions)",
            "CREATE TABLE of_the_operator (id integer)",
        ):
            execute(database_url, statement)

        assert not_passed(database_url) == []


class TestAFault:
    @pytest.mark.parametrize("fault", SCHEMA_FAULTS.values(), ids=SCHEMA_FAULTS)
    def test_of_the_schema_is_found_by_its_name_and_gone_once_its_cure_has_run(
        self, database_url: str, fault: Fault
    ) -> None:
        break_by(database_url, fault)

        found = not_passed(database_url)
        for one in found:
            for statement in one.cure.split("; "):
                execute(database_url, statement)

        assert_same(found, fault)
        assert [one for one in not_passed(database_url) if one.verdict is Verdict.FAILED] == []

    @pytest.mark.parametrize("fault", ROW_FAULTS.values(), ids=ROW_FAULTS)
    def test_of_the_rows_is_found_by_its_name_with_a_cure(self, database_url: str, fault: Fault) -> None:
        break_by(database_url, fault)

        found = not_passed(database_url)

        assert_same(found, fault)
        assert all(one.cure for one in found)

    @pytest.mark.parametrize("oddity", NOTES.values(), ids=NOTES)
    def test_is_not_what_is_only_worth_a_note(self, database_url: str, oddity: Fault) -> None:
        break_by(database_url, oddity)

        assert_same(not_passed(database_url), oddity)

    def test_of_the_models_is_none_after_a_proof(self, database_url: str) -> None:
        """The statements of the cures are made from the models, and must not change them."""
        proved(database_url)

        made = str(CreateTable(metadata.tables["instrument_registry"]).compile(dialect=postgresql.dialect()))

        assert all(words in made for words in ("PRIMARY KEY", "UNIQUE", "ON DELETE CASCADE"))

    def test_an_index_that_could_not_be_built_is_found_and_its_duplicates_too(self, database_url: str) -> None:
        for statement in ("DROP INDEX ix_trading_events_event_id", EVENT.format("e", "{}"), EVENT.format("e", "{}")):
            execute(database_url, statement)
        with pytest.raises(psycopg2.errors.UniqueViolation):
            execute(
                database_url, "CREATE UNIQUE INDEX CONCURRENTLY ix_trading_events_event_id ON trading_events (event_id)"
            )

        left, duplicates = not_passed(database_url)

        assert (left.name, left.verdict) == ("ix_trading_events_event_id", Verdict.FAILED)
        assert left.detail == "is unique btree (event_id), invalid, has to be unique btree (event_id)"
        assert (duplicates.name, duplicates.detail) == ("duplicate event_id", "1 row")

    def test_an_index_left_invalid_by_an_operator_is_found(self, database_url: str) -> None:
        for number in range(2):
            execute(database_url, EVENT.format(number, "{}"))
        with pytest.raises(psycopg2.errors.UniqueViolation):
            execute(database_url, "CREATE UNIQUE INDEX CONCURRENTLY once ON trading_events (strategy_id)")

        (left,) = not_passed(database_url)

        assert (left.name, left.verdict) == ("once", Verdict.FAILED)
        assert left.cure == "DROP INDEX CONCURRENTLY once"

    def test_more_rows_than_are_counted_are_told_as_such(self, database_url: str) -> None:
        execute(
            database_url,
            "INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, "
            "event_data, event_timestamp) SELECT n::text, 't', 'paper', 's', 1, '[]', now() "
            "FROM generate_series(1, 1500) AS n",
        )

        (note,) = not_passed(database_url)

        assert note.detail == "1,000 or more rows"


class TestTheProof:
    def test_it_cannot_write(self, database_url: str) -> None:
        with connected(database_url) as connection:
            written = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
            before = connection.exec_driver_sql(written).scalar_one()
            proved(database_url)
            assert connection.exec_driver_sql(written).scalar_one() == before

    def test_a_query_that_takes_too_long_is_not_proved(self, database_url: str) -> None:
        execute(
            database_url,
            "INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, "
            "event_data, event_timestamp) SELECT n::text, 't', 'paper', 's', 1, '{}', now() "
            "FROM generate_series(1, 300000) AS n",
        )

        def alone() -> bool:
            """The only one; a machine that pauses may make others take as long."""
            found = [one for one in proved(database_url, timeout_s=0.015) if one.verdict is not Verdict.PASSED]
            assert {one.detail for one in found} == {"not proved within 0.015 s"}
            assert {one.table for one in found} == {"trading_events"}
            return True

        eventually(alone)
        assert not_passed(database_url) == []

    def test_the_time_limit_is_that_of_the_rows_alone(self, database_url: str) -> None:
        found = proved(database_url, timeout_s=0.001)

        late = {one.kind for one in found if one.verdict is not Verdict.PASSED}
        assert late <= {Kind.ROWS}

    def test_a_table_that_a_migration_holds_is_a_conflict(self, locked: str) -> None:
        engine = create_engine(
            normalise_url(locked), poolclass=NullPool, connect_args={"options": "-c lock_timeout=200"}
        )

        with pytest.raises(Conflict, match="LOCK_TIMEOUT"):
            prove(engine, timeout_s=30)
