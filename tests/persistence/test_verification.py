"""Every way in which a database can differ from the models is found by its name, and nothing else is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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

EVENT = (
    "INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data, "
    "event_timestamp) VALUES ('{}', 'order_filled', 'paper', 's', 1, '{}', now())"
)
SNAPSHOT = (
    "INSERT INTO portfolio_snapshots (portfolio_id, broker_namespace, strategy_id, positions, total_realized_pnl, "
    "total_unrealized_pnl, total_pnl, cash) VALUES ('{}', 'paper', 's', '{}', 1, 2, {}, '{}')"
)
SESSION = "INSERT INTO trading_sessions (session_id, user_id, is_active, session_data) VALUES ('{}', '{}', true, {})"
STRATEGY = (
    "INSERT INTO strategy_configurations (id, strategy_type, instruments, parameters, is_active, "
    "zerodha_trading_enabled) VALUES ('s', 't', '{}', '{}', true, false)"
)
INSTRUMENT = (
    "INSERT INTO instruments (instrument_token, exchange_token, tradingsymbol, name, exchange, is_active, last_price) "
    "VALUES ({}, 1, 'X', '', 'NSE', {}, {})"
)
REGISTERED = "INSERT INTO instrument_registry (instrument_token, tradingsymbol, exchange) VALUES ({}, 'X', 'NSE')"
FOREIGN_KEY = "instrument_registry_instrument_token_fkey"
DROP_FOREIGN_KEY = f"ALTER TABLE instrument_registry DROP CONSTRAINT {FOREIGN_KEY}"
ADD_FOREIGN_KEY = f"ALTER TABLE instrument_registry ADD CONSTRAINT {FOREIGN_KEY} FOREIGN KEY (instrument_token)"


@dataclass(frozen=True, slots=True)
class Fault:
    """Statements that break a database, and the findings that they lead to: (table, kind, name, words of it)."""

    statements: Sequence[str]
    found: Sequence[tuple[str, Kind, str, str]]
    verdict: Verdict = Verdict.FAILED


SCHEMA_FAULTS = {
    "a table is gone": Fault(["DROP TABLE outbox"], [("outbox", Kind.TABLE, "outbox", "is missing")]),
    "a table loses its rows in a crash": Fault(
        ["ALTER TABLE inbox SET UNLOGGED"], [("inbox", Kind.TABLE, "inbox", "is unlogged, has to be permanent")]
    ),
    "a unique index is gone": Fault(
        ["DROP INDEX ix_trading_events_event_id"],
        [("trading_events", Kind.INDEX, "ix_trading_events_event_id", "is missing, has to be unique btree (event_id)")],
    ),
    "an index is no longer unique": Fault(
        [
            "DROP INDEX ix_trading_sessions_user_id",
            "CREATE INDEX ix_trading_sessions_user_id ON trading_sessions (user_id)",
        ],
        [("trading_sessions", Kind.INDEX, "ix_trading_sessions_user_id", "is btree (user_id), has to be unique")],
    ),
    "an index has its columns the other way round": Fault(
        [
            "DROP INDEX idx_trading_events_broker_time",
            "CREATE INDEX idx_trading_events_broker_time ON trading_events (event_timestamp, broker_namespace)",
        ],
        [("trading_events", Kind.INDEX, "idx_trading_events_broker_time", "(event_timestamp, broker_namespace), has")],
    ),
    "an index sorts the other way": Fault(
        [
            "DROP INDEX idx_portfolio_snapshots_time_desc",
            "CREATE INDEX idx_portfolio_snapshots_time_desc ON portfolio_snapshots (snapshot_time)",
        ],
        [("portfolio_snapshots", Kind.INDEX, "idx_portfolio_snapshots_time_desc", "has to be btree (snapshot_time DE")],
    ),
    "an index is of another method": Fault(
        [
            "DROP INDEX idx_trading_sessions_updated_at",
            "CREATE INDEX idx_trading_sessions_updated_at ON trading_sessions (updated_at)",
        ],
        [("trading_sessions", Kind.INDEX, "idx_trading_sessions_updated_at", "is btree (updated_at), has to be brin")],
    ),
    "an index covers some rows only": Fault(
        [
            "DROP INDEX idx_trading_events_correlation",
            "CREATE INDEX idx_trading_events_correlation ON trading_events (correlation_id) WHERE id > 5",
        ],
        [("trading_events", Kind.INDEX, "idx_trading_events_correlation", "where (id > 5)")],
    ),
    "an index is invalid": Fault(
        ["UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_portfolio_snapshots_portfolio_id'::regclass"],
        [("portfolio_snapshots", Kind.INDEX, "ix_portfolio_snapshots_portfolio_id", ", invalid, has to be")],
    ),
    "the foreign key is gone": Fault(
        [DROP_FOREIGN_KEY], [("instrument_registry", Kind.FOREIGN_KEY, FOREIGN_KEY, "is missing")]
    ),
    "the foreign key does not cascade": Fault(
        [DROP_FOREIGN_KEY, f"{ADD_FOREIGN_KEY} REFERENCES instruments ON DELETE SET NULL"],
        [("instrument_registry", Kind.FOREIGN_KEY, FOREIGN_KEY, "on delete set null, has to be")],
    ),
    "the foreign key was never validated": Fault(
        [DROP_FOREIGN_KEY, f"{ADD_FOREIGN_KEY} REFERENCES instruments ON DELETE CASCADE NOT VALID"],
        [("instrument_registry", Kind.FOREIGN_KEY, FOREIGN_KEY, "not validated")],
    ),
    "a unique constraint is gone": Fault(
        ["ALTER TABLE instrument_registry DROP CONSTRAINT instrument_registry_instrument_token_key"],
        [("instrument_registry", Kind.UNIQUE, "instrument_registry_instrument_token_key", "is missing")],
    ),
    "a primary key is gone": Fault(
        ["ALTER TABLE inbox DROP CONSTRAINT inbox_pkey"],
        # Its columns stay NOT NULL up to PostgreSQL 17, as they do in 18.
        [("inbox", Kind.PRIMARY_KEY, "inbox_pkey", "is missing, has to be (consumer, message_id)")],
    ),
    "JSON is no JSONB": Fault(
        ["ALTER TABLE trading_events ALTER COLUMN event_data TYPE json"],
        [("trading_events", Kind.COLUMN, "event_data", "is json, has to be jsonb")],
    ),
    "money is binary": Fault(
        ["ALTER TABLE portfolio_snapshots ALTER COLUMN cash TYPE double precision"],
        [("portfolio_snapshots", Kind.COLUMN, "cash", "is double precision, has to be numeric")],
    ),
    "a text is shorter": Fault(
        ["ALTER TABLE instruments ALTER COLUMN tradingsymbol TYPE varchar(20)"],
        [("instruments", Kind.COLUMN, "tradingsymbol", "is character varying(20), has to be character varying(50)")],
    ),
    "a time has lost its zone": Fault(
        ["ALTER TABLE dead_letters ALTER COLUMN stored_at TYPE timestamp"],
        [("dead_letters", Kind.COLUMN, "stored_at", "is timestamp without time zone")],
    ),
    "a column may be null": Fault(
        ["ALTER TABLE trading_sessions ALTER COLUMN user_id DROP NOT NULL"],
        [("trading_sessions", Kind.NULLS, "user_id", "is nullable, has to be not null")],
    ),
    "a column must not be null": Fault(
        ["ALTER TABLE trading_events ALTER COLUMN correlation_id SET NOT NULL"],
        [("trading_events", Kind.NULLS, "correlation_id", "is not null, has to be nullable")],
    ),
    "a column is gone": Fault(
        ["ALTER TABLE dead_letters DROP COLUMN replayed_at"],
        [("dead_letters", Kind.COLUMN, "replayed_at", "is missing")],
    ),
    "a default is gone": Fault(
        ["ALTER TABLE dead_letters ALTER COLUMN replays DROP DEFAULT"],
        [("dead_letters", Kind.DEFAULT, "replays", "is none, has to be 0")],
    ),
    "a default is another": Fault(
        ["ALTER TABLE strategy_configurations ALTER COLUMN use_composition SET DEFAULT false"],
        [("strategy_configurations", Kind.DEFAULT, "use_composition", "is false, has to be true")],
    ),
    "an id has no sequence": Fault(
        ["DROP SEQUENCE trading_events_id_seq CASCADE"],
        [("trading_events", Kind.DEFAULT, "id", "is none, has to be from its own sequence")],
    ),
    "an id has another's sequence": Fault(
        ["CREATE SEQUENCE own", "ALTER TABLE users ALTER COLUMN id SET DEFAULT nextval('own')"],
        [("users", Kind.DEFAULT, "id", "which the column does not own")],
    ),
    "a check refuses rows": Fault(
        ["ALTER TABLE portfolio_snapshots ADD CONSTRAINT rich CHECK (cash > 0)"],
        [("portfolio_snapshots", Kind.CHECK, "rich", "not of this version: CHECK")],
    ),
    "a unique index refuses rows": Fault(
        ["CREATE UNIQUE INDEX once ON trading_events (correlation_id)"],
        [("trading_events", Kind.INDEX, "once", "not of this version: unique btree (correlation_id)")],
    ),
    "a column of another version refuses rows": Fault(
        ["ALTER TABLE outbox ADD COLUMN priority integer NOT NULL"],
        [("outbox", Kind.COLUMN, "priority", "not of this version: integer")],
    ),
}

ROW_FAULTS = {
    "a sequence is behind its ids": Fault(
        [EVENT.format("e", "{}"), "UPDATE trading_events SET id = 7"],
        [("trading_events", Kind.ROWS, "id beyond its sequence", "1 row")],
    ),
    "a session is no object": Fault(
        [SESSION.format("1", "u", "'[]'"), SESSION.format("2", "v", "NULL"), SESSION.format("3", "w", "'{}'")],
        [("trading_sessions", Kind.ROWS, "session_data not a JSON object", "1 row")],
    ),
    "JSON null is no object": Fault(
        [SESSION.format("1", "u", "'null'")],
        [("trading_sessions", Kind.ROWS, "session_data not a JSON object", "1 row")],
    ),
    "positions are no object": Fault(
        [SNAPSHOT.format("p", '"five"', 3, 1)],
        [("portfolio_snapshots", Kind.ROWS, "positions not a JSON object", "1 row")],
    ),
    "instruments of a strategy are no array": Fault(
        [STRATEGY.format("{}", "{}")],
        [("strategy_configurations", Kind.ROWS, "instruments not a JSON array", "1 row")],
    ),
    "an event is no object": Fault(
        [EVENT.format("a", "1"), EVENT.format("b", "2")],
        [("trading_events", Kind.ROWS, "event_data not a JSON object", "2 rows")],
    ),
    "cash is no number": Fault(
        [SNAPSHOT.format("p", "{}", 3, "NaN")], [("portfolio_snapshots", Kind.ROWS, "NaN or infinite cash", "1 row")]
    ),
    "profit is infinite": Fault(
        [SNAPSHOT.format("p", "{}", "'-Infinity'", 1)],
        [("portfolio_snapshots", Kind.ROWS, "NaN or infinite total_pnl", "1 row")],
    ),
    "a price is no number": Fault(
        [INSTRUMENT.format(1, "true", "'NaN'")],
        [("instruments", Kind.ROWS, "NaN or infinite last_price", "1 row")],
    ),
    "events are there twice": Fault(
        ["DROP INDEX ix_trading_events_event_id", EVENT.format("e", "{}"), EVENT.format("e", "{}")],
        [
            ("trading_events", Kind.INDEX, "ix_trading_events_event_id", "is missing"),
            ("trading_events", Kind.ROWS, "duplicate event_id", "1 row"),
        ],
    ),
    "a registered instrument is gone": Fault(
        [DROP_FOREIGN_KEY, INSTRUMENT.format(1, "true", "1"), REGISTERED.format(1), REGISTERED.format(2)],
        [
            ("instrument_registry", Kind.FOREIGN_KEY, FOREIGN_KEY, "is missing"),
            ("instrument_registry", Kind.ROWS, "orphaned instrument_token", "1 row"),
        ],
    ),
}

NOTES = {
    "instruments of which it is unknown whether they are traded": Fault(
        [INSTRUMENT.format(1, "NULL", "1")],
        [("instruments", Kind.ROWS, "unknown is_active", "1 row")],
        Verdict.NOTE,
    ),
    "an index of the operator's own": Fault(
        ["CREATE INDEX own ON trading_events (event_type)"],
        [("trading_events", Kind.INDEX, "own", "not of this version: btree (event_type)")],
        Verdict.NOTE,
    ),
    "a column of the operator's own": Fault(
        ["ALTER TABLE users ADD COLUMN phone text"],
        [("users", Kind.COLUMN, "phone", "not of this version: text")],
        Verdict.NOTE,
    ),
}


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
            SNAPSHOT.format("p", "{}", 99, 1),
            STRATEGY.format("[1]", "{}"),
            EVENT.format("e", "{}"),
            INSTRUMENT.format(1, "false", "NULL"),
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
            "INSERT INTO instruments (instrument_token, exchange_token, tradingsymbol, name, exchange) "
            "SELECT n, n, 'X', '', 'NSE' FROM generate_series(1, 1500) AS n",
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

        found = [one for one in proved(database_url, timeout_s=0.015) if one.verdict is not Verdict.PASSED]

        assert {one.detail for one in found} == {"not proved within 0.015 s"}
        assert {one.table for one in found} == {"trading_events"}
        assert not_passed(database_url) == []

    def test_a_table_that_a_migration_holds_is_a_conflict(self, locked: str) -> None:
        engine = create_engine(
            normalise_url(locked), poolclass=NullPool, connect_args={"options": "-c lock_timeout=200"}
        )

        with pytest.raises(Conflict, match="LOCK_TIMEOUT"):
            prove(engine, timeout_s=30)
