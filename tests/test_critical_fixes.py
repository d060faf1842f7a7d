"""Each of Alpha Panda's critical fixes, proved by what goes wrong without it.

Where a fix is in the schema, the test takes it out of a database of its own and sees the fault come back.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import event, text
from sqlalchemy.dialects.postgresql import JSONB

from persistence import models
from persistence.database import Database, open_database
from persistence.errors import NotMigrated, Poison, Unavailable
from persistence.migration import current, heads, upgrade
from persistence.records import InstrumentRecord
from persistence.unit_of_work import UnitOfWork
from settings import DatabaseSettings
from tests.architecture_rules import ROOT, project_sources
from tests.conftest import execute
from tests.console.conftest import embedded_daemon
from tests.persistence.rows import Entry, Event, Letter, Portfolio, Session, at

SESSION = ("session_id", "user_id", "start_time", "end_time", "is_active", "session_data", "updated_at")
WRITES: dict[str, Callable[[UnitOfWork], object]] = {
    "inbox": lambda unit: unit.inbox.add([Entry("c", "1")]),
    "outbox": lambda unit: unit.outbox.add("0" * 32, b"x"),
    "trading_events": lambda unit: unit.events.add([Event("1")]),
    "portfolio_snapshots": lambda unit: unit.portfolios.upsert([Portfolio("s")]),
    "trading_sessions": lambda unit: unit.sessions.upsert([as_row(Session("u"))]),
    "dead_letters": lambda unit: unit.dead_letters.add([Letter()]),
    "broker_leases": lambda unit: unit.leases.acquire("paper", "me", "node", 10),
    "instrument_registry": lambda unit: unit.registry.subscribe(listed(unit), "me"),
}
"""A write by each repository, by the table that it goes to."""
WITHOUT_ROWS = {"instruments", "tokens"}
"""Repositories that add no rows: one reads the catalogue, one seals anew what others wrote."""


def listed(unit: UnitOfWork) -> InstrumentRecord:
    """An instrument that the catalogue lists from now on."""
    unit.connection.execute(
        text(
            "INSERT INTO instruments (instrument_token, exchange_token, tradingsymbol, name, exchange, is_active) "
            "VALUES (1, 1, 'INFY', '', 'NSE', true)"
        )
    )
    (found,) = unit.instruments.named("INFY")
    return found


def as_row(session: Session) -> dict[str, object]:
    return {name: getattr(session, name) for name in SESSION}


def save(database: Database, session: Session) -> None:
    with database.read_unit() as unit:
        unit.sessions.upsert([as_row(session)])
        unit.commit()


def count(url: str, table: str) -> object:
    return execute(url, f"SELECT count(*) FROM {table}")[0][0]


def in_threads(work: Callable[[int], None], threads: int) -> None:
    """Run it in so many threads, which begin together."""
    gate = threading.Barrier(threads)

    def run(number: int) -> None:
        gate.wait(90)
        work(number)

    started = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(90)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url, DatabaseSettings(), "tests")
    yield opened
    opened.close()


class TestStartOrder:
    """1: health checks ran before the database and the authentication that they ask."""

    def test_health_is_checked_once_database_and_authentication_run(self, tmp_path: Path) -> None:
        with embedded_daemon(tmp_path / "state") as daemon:
            children = {child["name"]: child for child in daemon.status()["children"]}
            checks = daemon.status()["checks"]

        assert set(children["health"]["depends_on"]) == {"database", "auth"}
        assert children["auth"]["depends_on"] == ["database"]
        assert children["database"]["since"] <= children["auth"]["since"] <= children["health"]["since"]
        assert all("health" in children[name]["depends_on"] for name in ("brokers", "gateway"))
        assert checks
        assert [check for check in checks if not check["passed"]] == []


class TestUniquePortfolio:
    """2A: an upsert by portfolio_id had no unique key to meet."""

    def test_saving_a_portfolio_again_replaces_it(self, database: Database, database_url: str) -> None:
        for cash in (1, 2):
            with database.writer_unit() as unit:
                unit.portfolios.upsert([Portfolio("s", Decimal(cash))])
                unit.commit()

        assert execute(database_url, "SELECT portfolio_id, cash FROM portfolio_snapshots") == [("paper:s", 2)]

    def test_without_the_unique_key_it_cannot_be_saved(self, database: Database, database_url: str) -> None:
        execute(database_url, "DROP INDEX ix_portfolio_snapshots_portfolio_id")

        with pytest.raises(NotMigrated), database.writer_unit() as unit:
            unit.portfolios.upsert([Portfolio("s")])


class TestUniqueSession:
    """2B and 5: concurrent logins of one user made several sessions."""

    def test_many_saves_at_once_leave_one_session_and_it_is_the_newest(
        self, database: Database, database_url: str
    ) -> None:
        in_threads(lambda number: save(database, Session("u", at(number))), threads=16)

        assert execute(database_url, "SELECT user_id, updated_at FROM trading_sessions") == [("u", at(15))]

    def test_a_second_row_for_a_user_is_refused(self, database: Database, database_url: str) -> None:
        save(database, Session("u"))

        with pytest.raises(psycopg2.errors.UniqueViolation):
            execute(
                database_url, "INSERT INTO trading_sessions (session_id, user_id, is_active) VALUES ('2', 'u', true)"
            )

    def test_without_the_unique_key_it_cannot_be_saved(self, database: Database, database_url: str) -> None:
        execute(database_url, "DROP INDEX ix_trading_sessions_user_id")

        with pytest.raises(NotMigrated):
            save(database, Session("u"))


class TestForeignKey:
    """2C: registered instruments outlived the instruments themselves."""

    INSTRUMENT = (
        "INSERT INTO instruments (instrument_token, exchange_token, tradingsymbol, name, exchange) "
        "VALUES (1, 1, 'RELIANCE', '', 'NSE')"
    )
    REGISTERED = (
        "INSERT INTO instrument_registry (instrument_token, tradingsymbol, exchange) VALUES (1, 'RELIANCE', '')"
    )

    def test_a_registered_instrument_goes_with_its_instrument(self, database_url: str) -> None:
        execute(database_url, self.INSTRUMENT)
        execute(database_url, self.REGISTERED)
        execute(database_url, "DELETE FROM instruments")

        assert count(database_url, "instrument_registry") == 0

    def test_an_unknown_instrument_cannot_be_registered(self, database_url: str) -> None:
        with pytest.raises(psycopg2.errors.ForeignKeyViolation):
            execute(database_url, self.REGISTERED)


class TestJsonb:
    """2D: JSON was stored as text, parsed at every reading and without indexes."""

    def test_all_json_is_jsonb(self, database_url: str) -> None:
        found = execute(
            database_url,
            "SELECT table_name || '.' || column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'public' AND data_type LIKE 'json%'",
        )

        wanted = {
            f"{table.name}.{column.name}"
            for table in models.metadata.tables.values()
            for column in table.columns
            if isinstance(column.type, JSONB)
        }
        assert dict(found) == dict.fromkeys(wanted, "jsonb")  # type: ignore[arg-type]
        assert "trading_events.event_data" in wanted

    def test_a_part_of_it_can_be_asked_for(self, database: Database, database_url: str) -> None:
        with database.writer_unit() as unit:
            unit.events.add([Event("1", event_data={"order": {"side": "buy"}}), Event("2", event_data={})])
            unit.commit()

        found = execute(database_url, """SELECT event_id FROM trading_events WHERE event_data @> '{"order": {}}'""")

        assert found == [("1",)]


class TestIndexes:
    """2E: the queries of every moment scanned their tables. That they no longer do is in test_query_plans."""

    @pytest.mark.parametrize(
        ("name", "columns"),
        [
            ("idx_trading_sessions_active_user", "(user_id, is_active)"),
            ("idx_trading_sessions_is_active", "(is_active)"),
            ("idx_portfolio_snapshots_broker_time", "(broker_namespace, snapshot_time)"),
            ("idx_portfolio_snapshots_strategy", "(strategy_id)"),
            ("idx_portfolio_snapshots_time_desc", "(snapshot_time DESC)"),
            ("idx_trading_events_correlation", "(correlation_id)"),
            ("idx_trading_events_broker_time", "(broker_namespace, event_timestamp)"),
            ("idx_trading_events_strategy_time", "(strategy_id, event_timestamp)"),
            ("idx_trading_events_instrument_time", "(instrument_token, event_timestamp)"),
        ],
    )
    def test_it_is_there(self, database_url: str, name: str, columns: str) -> None:
        ((definition,),) = execute(database_url, f"SELECT indexdef FROM pg_indexes WHERE indexname = '{name}'")

        assert str(definition).endswith(columns)


class TestTransactions:
    """3: the session committed by itself, and so did every repository."""

    @pytest.mark.parametrize("table", WRITES)
    def test_what_a_repository_wrote_is_gone_unless_somebody_commits(
        self, database: Database, database_url: str, table: str
    ) -> None:
        with database.writer_unit() as unit:
            WRITES[table](unit)
        assert count(database_url, table) == 0

        with database.writer_unit() as unit:
            WRITES[table](unit)
            unit.commit()
        assert count(database_url, table) == 1

    def test_there_is_a_write_of_every_repository(self) -> None:
        assert len(WRITES) + len(WITHOUT_ROWS) == len(UnitOfWork.__annotations__)

    def test_one_commit_is_sent_for_all_of_them(self, database: Database) -> None:
        sent: list[str] = []
        with database.writer_unit() as unit:
            event.listen(unit.connection, "commit", lambda _: sent.append("commit"))
            event.listen(unit.connection, "rollback", lambda _: sent.append("rollback"))
            for write in WRITES.values():
                write(unit)
            assert sent == []
            unit.commit()

        assert sent == ["commit"]

    def test_an_error_takes_all_of_it_back(self, database: Database, database_url: str) -> None:
        def work() -> None:
            with database.writer_unit() as unit:
                for write in WRITES.values():
                    write(unit)
                unit.events.add([Event("bad", event_data={"text": "\0"})])
                unit.commit()

        with pytest.raises(Poison):
            work()

        assert {table: count(database_url, table) for table in WRITES} == dict.fromkeys(WRITES, 0)

    def test_no_repository_calls_commit_or_rollback(self) -> None:
        sources = {name: path for name, path in project_sources() if name.startswith("persistence.repositories")}

        assert len(sources) > len(WRITES)
        assert {name: found for name, path in sources.items() if (found := calls(path, "commit", "rollback"))} == {}

    def test_a_repository_that_commits_would_be_seen(self, tmp_path: Path) -> None:
        path = tmp_path / "bad.py"
        path.write_text("def add(self):\n    self._connection.commit()\n")

        assert calls(path, "commit", "rollback") == ["line 2: self._connection.commit()"]


class TestBulk:
    """4: a statement for every row."""

    @pytest.mark.parametrize("rows", [1, 2_000])
    @pytest.mark.parametrize("table", ["portfolio_snapshots", "trading_events", "trading_sessions"])
    def test_a_batch_is_one_statement_whatever_its_size(
        self, database: Database, database_url: str, table: str, rows: int
    ) -> None:
        statements: list[str] = []
        with database.writer_unit() as unit:
            event.listen(
                unit.connection, "before_cursor_execute", lambda *arguments: statements.append(str(arguments[2]))
            )
            match table:
                case "portfolio_snapshots":
                    unit.portfolios.upsert([Portfolio(f"s{number}") for number in range(rows)])
                case "trading_events":
                    unit.events.add([Event(str(number)) for number in range(rows)])
                case _:
                    unit.sessions.upsert([as_row(Session(f"u{number}")) for number in range(rows)])
            unit.commit()

        assert len([one for one in statements if one.startswith("INSERT")]) == 1
        assert len(statements) <= 2  # sessions are read back, all at once
        assert count(database_url, table) == rows


class TestPool:
    """6A: a pool too small, whose connections had died unnoticed."""

    def test_the_settings_are_those_of_the_fix(self) -> None:
        settings = DatabaseSettings()

        assert (settings.pool_size, settings.max_overflow, settings.pool_recycle_s) == (20, 30, 3600)

    def test_fifty_connections_are_had_and_no_more(self, database_url: str) -> None:
        database = open_database(database_url, DatabaseSettings(pool_timeout_s=0.1), "tests")
        with ExitStack() as stack:
            backends = {
                stack.enter_context(database.reader()).execute(text("SELECT pg_backend_pid()")).scalar_one()
                for _ in range(50)
            }
            assert len(backends) == 50
            with pytest.raises(Unavailable, match="POOL_SIZE"):
                stack.enter_context(database.reader())
        database.close()

    def test_a_connection_that_has_died_is_found_out_before_it_is_used(
        self, database: Database, database_url: str
    ) -> None:
        assert database.ping() > 0
        ended = execute(
            database_url,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )

        assert ended
        assert database.ping() > 0

    def test_a_connection_is_replaced_after_its_time(self, database_url: str) -> None:
        database = open_database(database_url, DatabaseSettings(pool_recycle_s=1), "tests")
        pid = text("SELECT pg_backend_pid()")
        with database.reader() as connection:
            first = connection.execute(pid).scalar_one()
            connection.execute(text("SELECT pg_sleep(1.1)"))
        with database.reader() as connection:
            assert connection.execute(pid).scalar_one() != first
        database.close()


class TestMigrations:
    """6B: there was no way from one schema to the next."""

    def test_an_empty_database_comes_to_head(self, postgres_url: str, database_url: str, database: Database) -> None:
        execute(database_url, "DROP SCHEMA public CASCADE")
        execute(database_url, "CREATE SCHEMA public")
        assert current(database.engine) is None

        upgrade(database_url)

        assert current(database.engine) == heads()

    @pytest.mark.parametrize("name", ["alembic.ini", "migrations/env.py", "migrations/script.py.mako"])
    def test_alembic_is_set_up(self, name: str) -> None:
        assert (ROOT / name).is_file()


class TestLogging:
    """7: the database printed."""

    def test_nothing_below_the_commands_prints(self) -> None:
        quiet = [(name, path) for name, path in project_sources() if name.partition(".")[0] != "console"]

        assert len(quiet) > 50
        assert {name: found for name, path in quiet if (found := calls(path, "print"))} == {}

    def test_a_module_that_prints_would_be_seen(self, tmp_path: Path) -> None:
        path = tmp_path / "bad.py"
        path.write_text("print('connected')\n")

        assert calls(path, "print") == ["line 1: print('connected')"]


def calls(path: Path, *names: str) -> list[str]:
    """Where a module calls functions or methods of those names."""
    return [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names
    ]
