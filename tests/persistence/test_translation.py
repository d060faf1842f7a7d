from __future__ import annotations

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from persistence.database import Database, open_database
from persistence.errors import Conflict, Misconfigured, NotMigrated, PersistenceError, Poison, Unavailable
from persistence.translation import translate, translated
from persistence.urls import normalise_url
from settings import DatabaseSettings

BIG_KEY = "INSERT INTO inbox SELECT 'c', string_agg(md5(i::text), '') FROM generate_series(1, 999) AS i"
CASES = [
    ("INSERT INTO users (username, hashed_password) VALUES ('a', ''), ('a', '')", Poison),
    ("INSERT INTO users (username) VALUES ('a')", Poison),
    ("SELECT 'hunter2'::integer", Poison),
    (BIG_KEY, Poison),
    ("SELECT 1 FROM nowhere", NotMigrated),
    ("SELECT nothing FROM users", NotMigrated),
    ("INSERT INTO nowhere.nothing VALUES (1)", NotMigrated),
    ("INSERT INTO inbox VALUES ('c', '1') ON CONFLICT (received_at) DO NOTHING", NotMigrated),
    ("SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)", Unavailable),
    ("SET TRANSACTION READ ONLY; DELETE FROM inbox", Unavailable),
    ("SET ROLE nobody_at_all", Poison),
    ("CREATE TEMP SEQUENCE one MAXVALUE 2; SELECT nextval('one') FROM generate_series(1, 3)", Unavailable),
]
# Errors that need a second party or a broken disk, by the code that the server gives them.
RAISED = [
    ("40001", Conflict),
    ("40P01", Conflict),
    ("55P03", Conflict),
    ("40003", Unavailable),
    ("53100", Unavailable),
    ("53300", Unavailable),
    ("57P01", Unavailable),
    ("57P03", Unavailable),
    ("08006", Unavailable),
    ("58030", Unavailable),
    ("28P01", Misconfigured),
    ("3D000", Misconfigured),
    ("42501", Misconfigured),
    ("XX000", PersistenceError),
]


def failure(database: Database, statement: str) -> PersistenceError:
    with pytest.raises(PersistenceError) as caught, database.reader() as connection:
        connection.exec_driver_sql(statement)
    return caught.value


@pytest.mark.parametrize(("statement", "kind"), CASES)
def test_an_error_of_the_server_has_its_class_and_one_line(
    database: Database, statement: str, kind: type[PersistenceError]
) -> None:
    error = failure(database, statement)

    assert type(error) is kind
    assert "\n" not in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(("sqlstate", "kind"), RAISED)
def test_an_error_code_has_its_class(database: Database, sqlstate: str, kind: type[PersistenceError]) -> None:
    error = failure(database, f"DO $$ BEGIN RAISE 'it went wrong' USING ERRCODE = '{sqlstate}'; END $$")

    assert type(error) is kind
    assert error.sqlstate == sqlstate


def test_a_full_disk_is_said_to_be_one(database: Database) -> None:
    error = failure(database, "DO $$ BEGIN RAISE 'could not extend file' USING ERRCODE = '53100'; END $$")

    assert "disk is full" in str(error)


def test_a_nul_character_is_poison(database: Database) -> None:
    with pytest.raises(Poison), database.reader() as connection:
        connection.execute(text("SELECT :text"), {"text": "a\0b"})


def test_a_lone_surrogate_is_poison(database: Database) -> None:
    with pytest.raises(Poison), database.reader() as connection:
        connection.execute(text("SELECT :text"), {"text": "\ud800"})


def test_a_value_error_of_somebody_else_passes() -> None:
    with pytest.raises(ValueError, match="mine"), translated():
        raise ValueError("mine")


def test_a_closed_port_is_unavailable() -> None:
    database = open_database("postgresql://nobody:hunter2@127.0.0.1:1/none", DatabaseSettings(), "tests")

    with pytest.raises(Unavailable, match="not reachable") as caught:
        database.ping()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("part", [{"database": "nowhere"}, {"username": "nobody_here", "password": "hunter2"}])
def test_a_wrong_name_or_password_is_misconfigured(database_url: str, part: dict[str, str]) -> None:
    wrong = normalise_url(database_url).set(**part).render_as_string(hide_password=False)  # type: ignore[arg-type]
    database = open_database(wrong, DatabaseSettings(), "tests")

    with pytest.raises(Misconfigured, match="DATABASE__POSTGRES_URL") as caught:
        database.ping()
    assert "hunter2" not in str(caught.value)


def test_a_pooler_that_does_not_pass_the_limits_on_is_misconfigured() -> None:
    refusal = psycopg2.OperationalError("connection failed: FATAL:  unsupported startup parameter: options\n")

    assert isinstance(translate(refusal), Misconfigured)
    assert "Behind PgBouncer" in str(translate(refusal))


def test_a_driver_error_without_code_or_lost_connection_is_the_root_class() -> None:
    class ProgrammingError(Exception):
        pass

    error = translate(DBAPIError("SELECT 1", None, ProgrammingError("the cursor is closed")))

    assert type(error) is PersistenceError
