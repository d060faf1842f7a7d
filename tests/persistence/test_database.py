from __future__ import annotations

import contextlib
import threading
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from persistence import retry
from persistence.database import Database, connect_args, open_database
from persistence.errors import Misconfigured, NotMigrated, Unavailable
from persistence.unit_of_work import UnitOfWork
from persistence.urls import normalise_url
from settings import DatabaseSettings
from tests.persistence.databases import connected, new_database
from tests.steady_clock import SteadyClock


def test_opening_does_not_connect() -> None:
    open_database("postgresql://127.0.0.1:1/none", DatabaseSettings(), "tests").close()


def test_a_wrong_url_is_refused_at_once() -> None:
    with pytest.raises(Misconfigured):
        open_database("sqlite://", DatabaseSettings(), "tests")


def test_a_ping_takes_some_time(database: Database) -> None:
    assert 0 < min(database.ping() for _ in range(3)) < 5


def test_the_session_is_set_up_as_configured(database: Database) -> None:
    with database.reader() as connection:
        values = {
            name: connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one()
            for name in (
                "application_name",
                "statement_timeout",
                "lock_timeout",
                "TimeZone",
                "synchronous_commit",
                "idle_in_transaction_session_timeout",
            )
        }

    assert values == {
        "application_name": "alpha-panda/tests",
        "statement_timeout": "15s",
        "lock_timeout": "1s",
        "TimeZone": "UTC",
        "synchronous_commit": "on",
        "idle_in_transaction_session_timeout": "30s",
    }


def test_what_the_url_says_wins() -> None:
    url = normalise_url("postgresql://h/d?application_name=mine&connect_timeout=1&options=-c%20lock_timeout%3D7")

    given = connect_args(url, DatabaseSettings(), "tests")

    assert "application_name" not in given
    assert "connect_timeout" not in given
    assert given["options"].endswith("-c lock_timeout=7")


def test_all_limits_and_keepalives_can_be_set() -> None:
    settings = DatabaseSettings(
        connect_timeout_s=1,
        statement_timeout_ms=2,
        lock_timeout_ms=3,
        idle_in_transaction_timeout_ms=4,
        keepalive_idle_s=5,
        keepalive_interval_s=6,
        keepalive_count=7,
        tcp_user_timeout_ms=8,
    )

    given = connect_args(normalise_url("postgresql://h/d"), settings, "tests")

    names = ("connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
    assert [given[name] for name in names] == [1, 5, 6, 7, 8]
    assert given["options"] == (
        "-c statement_timeout=2 -c lock_timeout=3 -c idle_in_transaction_session_timeout=4 "
        "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=6 -c tcp_keepalives_count=7 -c timezone=UTC"
    )


@pytest.mark.parametrize(("more", "expected_ms"), [("", 700), ("&options=-c%20transaction_timeout%3D400", 400)])
def test_a_transaction_is_ended_after_its_time_where_the_server_can(
    database_url: str, more: str, expected_ms: int
) -> None:
    database = open_database(database_url + more, DatabaseSettings(transaction_timeout_ms=700), "tests")
    try:
        with database.writer_unit() as unit:
            limit = unit.connection.execute(
                text("SELECT setting FROM pg_settings WHERE name = 'transaction_timeout'")
            ).scalar_one_or_none()
            if limit is None:
                assert unit.connection.execute(text("SHOW server_version_num")).scalar_one() < "170000"
                return
        assert limit == str(expected_ms)
        with pytest.raises(Unavailable), database.writer_unit() as unit:
            unit.connection.execute(text("SELECT pg_sleep(30)"))
        assert database.ping() > 0
    finally:
        database.close()


def test_of_several_hosts_the_one_that_takes_writes_is_used(database_url: str) -> None:
    read = normalise_url(database_url)
    host, port = read.query.get("host") or read.host, read.query.get("port") or read.port
    both = read.set(host=None, port=None, query={"host": f"127.0.0.1,{host}", "port": f"9,{port}"})
    url = both.render_as_string(hide_password=False)

    database = open_database(url, DatabaseSettings(), "tests")

    assert connect_args(normalise_url(url), DatabaseSettings(), "tests")["target_session_attrs"] == "read-write"
    assert "target_session_attrs" not in connect_args(read, DatabaseSettings(), "tests")
    assert database.ping() > 0
    database.close()


def test_a_read_on_a_connection_that_was_lost_is_repeated_on_a_fresh_one(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_time_passes = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: None)
    monkeypatch.setattr(retry, "time", no_time_passes)
    backends: list[int] = []

    def query(unit: UnitOfWork) -> int:
        backends.append(int(unit.connection.execute(text("SELECT pg_backend_pid()")).scalar_one()))
        if len(backends) == 1:
            with connected(database_url) as other:
                other.execute(text("SELECT pg_terminate_backend(:pid, 60000)"), {"pid": backends[0]})
        return int(unit.connection.execute(text("SELECT 7")).scalar_one())

    assert database.read(query) == 7
    assert len(set(backends)) == 2


def test_a_read_from_a_database_that_is_away_is_told_at_once() -> None:
    database = open_database("postgresql://u@127.0.0.1:9/d", DatabaseSettings(), "tests")

    with SteadyClock() as clock:
        with pytest.raises(Unavailable):
            database.read(lambda unit: unit.outbox.load(1))
        took_s = clock.seconds()

    assert took_s < 5
    database.close()


def test_a_reader_whose_backend_died_gets_a_fresh_connection(database: Database, database_url: str) -> None:
    with database.reader() as connection:
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with connected(database_url) as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 60000)"), {"pid": backend})

    assert database.ping() > 0


def test_readers_have_a_pool_of_the_new_size_while_older_connections_are_in_use(database_url: str) -> None:
    database = open_database(database_url, DatabaseSettings(pool_size=1, max_overflow=0, pool_timeout_s=0.1), "tests")
    with database.reader() as older:
        with pytest.raises(Unavailable, match="POOL_TIMEOUT"), database.reader():
            pass

        database.resize(DatabaseSettings(pool_size=2, max_overflow=0, pool_timeout_s=0.1))

        with database.reader() as one, database.reader() as other:
            assert [each.execute(text("SELECT 1")).scalar_one() for each in (older, one, other)] == [1, 1, 1]
    database.close()


def test_a_reader_cannot_change_anything_for_good(database: Database) -> None:
    with database.reader() as connection:
        connection.execute(text("INSERT INTO inbox VALUES ('c', '1')"))

    with database.reader() as connection:
        assert connection.execute(text("SELECT count(*) FROM inbox")).scalar_one() == 0


def test_the_writer_has_one_connection_and_a_second_unit_waits_for_it(database_url: str) -> None:
    database = open_database(database_url, DatabaseSettings(pool_timeout_s=0.1), "tests")
    with database.writer_unit(), pytest.raises(Unavailable, match="POOL_TIMEOUT"), database.writer_unit():
        pass
    database.close()


@pytest.mark.parametrize("statements", [False, True], ids=["a unit", "statements"])
def test_a_writer_whose_backend_dies_while_it_works_gets_a_fresh_connection(
    database_url: str, *, statements: bool
) -> None:
    opened = open_database(database_url, DatabaseSettings(pool_timeout_s=0.2), "tests")
    unit = opened.writer_statement if statements else opened.writer_unit
    with connected(database_url) as other:
        with unit() as work:
            work.ping()
        for _ in range(2):
            with contextlib.suppress(Unavailable), unit() as work:
                pid = work.connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
                other.execute(text("SELECT pg_terminate_backend(:pid, 60000)"), {"pid": pid})
            with contextlib.suppress(Unavailable), unit() as work:
                work.ping()

    with unit() as work:
        work.ping()
    opened.close()


def test_statements_of_the_writer_are_committed_one_by_one_and_its_units_are_not(database: Database) -> None:
    insert = text("INSERT INTO users (username, hashed_password) VALUES (:name, 'x')")
    with database.writer_statement() as work:
        work.connection.execute(insert, {"name": "kept"})
    with database.writer_unit() as work:
        work.connection.execute(insert, {"name": "rolled back"})

    with database.reader() as connection:
        assert connection.execute(text("SELECT username FROM users")).scalars().all() == ["kept"]


def test_a_busy_writer_does_not_stop_readers(database: Database) -> None:
    with database.writer_unit(), database.read_unit() as unit:
        assert unit.outbox.load(1)[0] == []


def test_at_head_the_schema_passes(database: Database) -> None:
    database.check_schema()


def test_an_empty_database_is_not_migrated(postgres_url: str) -> None:
    with new_database(postgres_url) as url, pytest.raises(NotMigrated, match=r"no schema yet.*db upgrade"):
        open_database(url, DatabaseSettings(), "tests").check_schema()


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("0001", "at 0001.*needs 0.*db adopt"),
        ("0002", "at 0002.*needs 0.*db upgrade"),
        ("9999", "9999.*newer"),
        ("cc6a84f0b6f1", "db adopt"),
    ],
)
def test_another_revision_is_not_migrated(database_url: str, revision: str, said: str) -> None:
    with connected(database_url) as other:
        other.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    database = open_database(database_url, DatabaseSettings(), "tests")

    with pytest.raises(NotMigrated, match=said):
        database.check_schema()
    database.close()


def test_sixty_four_threads_share_the_pool(database_url: str) -> None:
    database = open_database(database_url, DatabaseSettings(pool_size=4, max_overflow=4, pool_timeout_s=90), "tests")
    gate = threading.Barrier(64)
    times: list[float] = []

    def ask() -> None:
        gate.wait(90)
        times.append(database.ping())

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    database.close()

    assert len(times) == 64
