"""Databases that are not taken over: each is told why in a line, and left as it is."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from persistence.adoption.adoption import adopt
from persistence.adoption.catalogue import read_catalogue
from persistence.adoption.connection import Patience
from persistence.adoption.connection import connected as connection_to
from persistence.adoption.kinds import Kind
from persistence.adoption.survey import Foreign, refuse, survey
from persistence.errors import Misconfigured, NotMigrated, Unavailable
from persistence.urls import normalise_url
from settings import DatabaseSettings
from tests.adoption.conftest import Made
from tests.adoption.dumps import schema_of
from tests.adoption.old_databases import L0, L1, L2, OldDatabase
from tests.persistence.databases import connected, name_of

SETTINGS = DatabaseSettings()
TRIGGER = (
    "CREATE TRIGGER mine BEFORE UPDATE ON portfolio_snapshots FOR EACH ROW "
    "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
)


def run(url: str, *statements: str) -> None:
    with connected(url) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def reasons(url: str) -> tuple[str, ...]:
    """Why it is refused, which an adoption does as well as a look at it; nothing is changed."""
    before = schema_of(url, side_tables=True)
    with pytest.raises(Foreign) as seen:
        survey(url, SETTINGS)
    with pytest.raises(Foreign) as refused:
        adopt(url, SETTINGS, lambda _: None)
    assert schema_of(url, side_tables=True) == before
    assert refused.value.lines == seen.value.lines
    assert "\n" not in str(seen.value)
    return seen.value.lines


def reasons_after(url: str, *changes: str) -> tuple[str, ...]:
    """Why the database would be refused with these changes, which are rolled back."""
    with connection_to(url, SETTINGS, Patience()) as connection:
        connection.run("BEGIN")
        for change in changes:
            connection.run(change)
        with pytest.raises(Foreign) as raised:
            refuse(read_catalogue(connection))
        connection.run("ROLLBACK")
    return raised.value.lines


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ALTER TABLE trading_events ADD COLUMN strategy text", "column trading_events.strategy (text) is not Alpha"),
        ("ALTER TABLE trading_sessions DROP COLUMN end_time", "column trading_sessions.end_time is missing"),
        ("ALTER TABLE users RENAME COLUMN hashed_password TO secret", "column users.hashed_password is missing"),
        (
            "ALTER TABLE portfolio_snapshots ALTER COLUMN cash TYPE real USING 0",
            "portfolio_snapshots.cash is real, Alpha",
        ),
        ("ALTER TABLE trading_events ALTER COLUMN event_id TYPE text", "trading_events.event_id is text, Alpha"),
        ("ALTER TABLE users ALTER COLUMN id TYPE bigint", "users.id is bigint, Alpha"),
        ("ALTER TABLE instruments ALTER COLUMN name DROP NOT NULL", "instruments.name may be NULL"),
        ("DROP TABLE instrument_registry", "table instrument_registry is missing"),
        ("ALTER TABLE users DROP CONSTRAINT users_pkey", "primary key users_pkey of users is not on id"),
        (
            "DROP INDEX ix_trading_events_event_id",
            "unique index ix_trading_events_event_id of trading_events is missing",
        ),
        (
            "ALTER TABLE trading_events ADD CONSTRAINT mine FOREIGN KEY (instrument_token) REFERENCES instruments",
            "foreign key mine of trading_events is not Alpha",
        ),
    ],
)
@pytest.mark.parametrize("old", [L0, L2], ids=lambda old: old.name)
def test_one_that_differs_is_refused_with_the_difference(
    made: Made, old: OldDatabase, change: str, reason: str
) -> None:
    (line,) = [line for line in reasons_after(made(old), change) if "users.secret" not in line]

    assert reason in line


def test_one_of_another_program_is_refused_with_all_that_is_missing(empty_url: str) -> None:
    run(empty_url, "CREATE TABLE users (id integer PRIMARY KEY, email text)")

    found = reasons(empty_url)

    assert "the column users.email (text) is not Alpha Panda's" in found
    assert "the table trading_events is missing" in found


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("CREATE VIEW latest AS SELECT cash FROM portfolio_snapshots", "view latest"),
        ("CREATE MATERIALIZED VIEW latest AS SELECT cash FROM portfolio_snapshots", "materialized view latest"),
        (
            "CREATE FUNCTION latest() RETURNS SETOF portfolio_snapshots LANGUAGE sql AS 'TABLE portfolio_snapshots'",
            "function latest()",
        ),
        (
            "CREATE TABLE notes (snapshot integer REFERENCES portfolio_snapshots)",
            "constraint notes_snapshot_fkey on table notes",
        ),
        ("CREATE TABLE child () INHERITS (portfolio_snapshots)", "inheritance"),
        ("CREATE POLICY mine ON portfolio_snapshots USING (true)", "policy mine"),
        ("ALTER TABLE portfolio_snapshots ENABLE ROW LEVEL SECURITY", "row security"),
        ("ALTER TABLE portfolio_snapshots ADD CONSTRAINT rich CHECK (cash > 0) NOT VALID", "constraint rich"),
        ("CREATE PUBLICATION {database} FOR TABLE portfolio_snapshots", "publication {database}"),
        ("CREATE PUBLICATION {database} FOR ALL TABLES", "publication {database}"),
        (
            "CREATE FUNCTION cash(portfolio_snapshots[]) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "function cash(portfolio_snapshots[])",
        ),
        ("CREATE STATISTICS mine ON cash, total_pnl FROM portfolio_snapshots", "statistics mine"),
        (TRIGGER, "trigger mine"),
    ],
)
def test_what_others_have_hung_on_a_table_that_is_written_anew_is_named(made: Made, change: str, named: str) -> None:
    url = made(L1)
    name = name_of(url)

    wanted = f"{named.format(database=name)} hangs on portfolio_snapshots"

    found = reasons_after(url, change.format(database=name))

    assert any(wanted in line for line in found), found


def test_what_others_have_hung_on_a_table_that_stays_is_left_alone(empty_url: str) -> None:
    L1.make(empty_url)
    run(
        empty_url,
        "CREATE VIEW logins AS SELECT user_id FROM trading_sessions",
        "CREATE INDEX mine ON trading_sessions (end_time)",
    )

    adopt(empty_url, SETTINGS, lambda _: None)

    assert "CREATE VIEW public.logins" in schema_of(empty_url)
    assert "CREATE INDEX mine" in schema_of(empty_url)


def test_an_index_of_somebody_else_on_a_table_that_is_written_anew_is_named(made: Made) -> None:
    (line,) = reasons_after(made(L1), "CREATE INDEX mine ON portfolio_snapshots (cash)")

    assert "index mine of portfolio_snapshots" in line


def test_side_tables_of_an_earlier_attempt_are_not_written_over(made: Made) -> None:
    (line,) = reasons_after(made(L0), "CREATE TABLE _dup_trading_sessions_0002 (session_id text)")

    assert "_dup_trading_sessions_0002" in line


def test_one_that_a_newer_version_has_migrated_is_refused(empty_url: str) -> None:
    L2.make(empty_url)
    run(empty_url, "UPDATE alembic_version SET version_num = '9999'")

    for look in (lambda: survey(empty_url, SETTINGS), lambda: adopt(empty_url, SETTINGS, lambda _: None)):
        with pytest.raises(NotMigrated, match=r"9999, which this version does not know.*newer"):
            look()


def test_a_user_without_rights_is_told_which(empty_url: str) -> None:
    L1.make(empty_url)
    name = "clerk_of_" + name_of(empty_url)[:40]
    run(
        empty_url,
        f"CREATE ROLE {name} LOGIN PASSWORD 'pw'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    try:
        target = normalise_url(empty_url).set(username=name, password="pw")
        found = reasons_of(target.render_as_string(hide_password=False))
    finally:
        run(empty_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")

    assert "may not create tables in the schema public" in found[0]
    assert "does not own the table portfolio_snapshots" in "; ".join(found)


def reasons_of(url: str) -> tuple[str, ...]:
    with pytest.raises(Foreign) as raised:
        survey(url, SETTINGS)
    return raised.value.lines


def test_tables_behind_a_schema_of_the_users_own_name_are_found_and_the_cure_works(empty_url: str) -> None:
    L1.make(empty_url)
    run(empty_url, "CREATE SCHEMA AUTHORIZATION CURRENT_USER")

    (line,) = reasons(empty_url)

    assert f"the tables are in the schema public, and not in {normalise_url(empty_url).username}" in line
    (cure,) = (word for word in line.split() if word.startswith("options="))
    cured = normalise_url(empty_url).update_query_string(cure).render_as_string(hide_password=False)
    assert adopt(cured, SETTINGS, lambda _: None).kind is Kind.L1
    assert survey(cured, SETTINGS).plan.steps == ()


def test_a_schema_of_another_program_is_not_taken_for_alpha_pandas(empty_url: str) -> None:
    run(empty_url, "CREATE SCHEMA other", "CREATE TABLE other.users ()", "CREATE TABLE other.instruments ()")

    assert survey(empty_url, SETTINGS).plan.kind is Kind.EMPTY


def test_a_read_only_database_can_be_looked_at_only(empty_url: str) -> None:
    L1.make(empty_url)
    run(empty_url, f"ALTER DATABASE {name_of(empty_url)} SET default_transaction_read_only = on")

    assert survey(empty_url, SETTINGS).plan.steps
    with pytest.raises(Unavailable, match="read-only"):
        adopt(empty_url, SETTINGS, lambda _: None)


def test_a_wrong_password_is_a_matter_of_the_settings(empty_url: str) -> None:
    wrong = normalise_url(empty_url).set(password="hunter2").render_as_string(hide_password=False)

    with pytest.raises(Misconfigured, match="refuses the connection") as raised:
        survey(wrong, SETTINGS)
    assert "hunter2" not in str(raised.value)


def test_a_look_writes_nothing(made: Made, old: OldDatabase) -> None:
    url = made(old)
    state = text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text, (SELECT count(*) FROM pg_class)")
    transactions = text(
        "SELECT count(*) FROM pg_class WHERE xmin::text::bigint >= :before AND relnamespace = 'public'::regnamespace"
    )
    before = schema_of(url, side_tables=True)
    with connected(url) as connection:
        xmax, relations = connection.execute(state).one()

    survey(url, SETTINGS)

    assert schema_of(url, side_tables=True) == before
    with connected(url) as connection:
        assert connection.execute(state).one()[1] == relations
        assert connection.execute(transactions, {"before": int(xmax)}).scalar() == 0
