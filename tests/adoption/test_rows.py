"""What becomes of each row of each kind of database."""

from __future__ import annotations

from typing import Any

from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from persistence.adoption.adoption import adopt
from persistence.adoption.kinds import Kind
from persistence.adoption.survey import survey
from persistence.migration import configuration, current, differences, heads
from persistence.urls import normalise_url
from persistence.verification import Verdict, prove
from settings import DatabaseSettings
from tests.adoption.accounts import MONEY, books_of, faults
from tests.adoption.conftest import TakenOver
from tests.adoption.dirt import BAD_JSON, fill, snapshot
from tests.adoption.dumps import schema_of
from tests.adoption.old_databases import L0, L0_OLDEST, L1, L1_NEWER, L2, OldDatabase
from tests.persistence.databases import connected

SETTINGS = DatabaseSettings()

TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"


def adopted(url: str) -> Kind:
    return adopt(url, SETTINGS, lambda _: None).kind


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with connected(url) as connection:
        return [tuple(row) for row in connection.exec_driver_sql(statement)]


def test_every_row_is_where_it_was_or_set_aside(taken_over: TakenOver, old: OldDatabase) -> None:
    taken = taken_over(old)

    assert taken.kind.name == old.kind
    assert faults(taken.before, books_of(taken.url)) == []
    assert sum(map(len, taken.before.rows.values())) > 50


def test_the_schema_is_that_of_a_walk_from_empty(taken_over: TakenOver, old: OldDatabase, head_schema: str) -> None:
    url = taken_over(old).url

    engine = create_engine(normalise_url(url), poolclass=NullPool)
    assert schema_of(url) == head_schema
    assert (current(engine), differences(engine)) == (heads(), [])


def test_clean_data_leaves_nothing_behind(empty_url: str, old: OldDatabase, head_schema: str) -> None:
    old.make(empty_url)

    adopted(empty_url)

    assert schema_of(empty_url, side_tables=True) == head_schema


def test_an_empty_database_is_brought_to_head(empty_url: str, head_schema: str) -> None:
    assert adopted(empty_url) is Kind.EMPTY
    assert schema_of(empty_url, side_tables=True) == head_schema


def test_one_that_is_ours_is_upgraded_and_then_left_alone(empty_url: str) -> None:
    adopted(empty_url)
    before = rows(empty_url, "SELECT oid FROM pg_class ORDER BY 1")

    assert adopted(empty_url) is Kind.OURS
    assert rows(empty_url, "SELECT oid FROM pg_class ORDER BY 1") == before


def test_of_duplicate_sessions_the_newest_active_one_stays(taken_over: TakenOver) -> None:
    url = taken_over(L0).url

    kept = rows(url, "SELECT user_id, session_id FROM trading_sessions WHERE user_id IN ('ann', 'bob') ORDER BY 1")
    assert kept == [("ann", "a2"), ("bob", "b2")]
    aside = rows(url, "SELECT session_id FROM _dup_trading_sessions_0002 ORDER BY 1")
    assert aside == [("a1",), ("a3",), ("b1",), ("b3",)]


def test_of_duplicate_snapshots_the_newest_stays_and_its_money_is_exact(taken_over: TakenOver) -> None:
    url = taken_over(L0).url

    statement = "SELECT cash::text, total_pnl::text FROM portfolio_snapshots WHERE portfolio_id = 'paper:s0'"
    assert rows(url, statement) == [("9.99", "0.30000000000000004")]
    aside = rows(url, "SELECT cash::text FROM _dup_portfolio_snapshots_0002 ORDER BY 1")
    assert aside == [("0.1",), ("7.77",), ("8.88",)]


def test_rows_whose_money_is_no_number_are_set_aside(taken_over: TakenOver) -> None:
    url = taken_over(L0).url

    aside = rows(url, "SELECT portfolio_id, cash::text FROM _nan_portfolio_snapshots_0002 ORDER BY 1, 2")
    assert aside == [("paper:Infinity", "Infinity"), ("paper:NaN", "NaN"), ("paper:s0", "NaN")]


def test_they_are_set_aside_where_money_is_exact_already_too(empty_url: str, head_schema: str) -> None:
    L1.make(empty_url)
    fill(empty_url, L1)
    with connected(empty_url) as connection:
        for column in MONEY:
            connection.exec_driver_sql(f"ALTER TABLE portfolio_snapshots ALTER COLUMN {column} TYPE numeric")
    before = books_of(empty_url)

    adopted(empty_url)

    assert len(rows(empty_url, "SELECT FROM _nan_portfolio_snapshots_0002")) == 2
    assert faults(before, books_of(empty_url)) == []
    assert schema_of(empty_url) == head_schema


def test_prices_that_are_no_number_and_sessions_that_are_the_json_null_are_null(taken_over: TakenOver) -> None:
    for old in (L0, L1):
        url = taken_over(old).url

        assert rows(url, "SELECT last_price FROM instruments WHERE instrument_token = 3") == [(None,)]
        assert rows(url, "SELECT session_data IS NULL FROM trading_sessions WHERE session_id = 'e1'") == [(True,)]


def test_what_was_taken_over_is_proved(taken_over: TakenOver, old: OldDatabase) -> None:
    engine = create_engine(normalise_url(taken_over(old).url), poolclass=NullPool)

    assert [one for one in prove(engine, timeout_s=30) if one.verdict is Verdict.FAILED] == []


def test_digits_are_kept_where_the_server_is_set_to_show_fewer(empty_url: str) -> None:
    L1.make(empty_url)
    with connected(empty_url) as connection:
        name = normalise_url(empty_url).database
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET extra_float_digits = -3")
        connection.exec_driver_sql(snapshot("paper:x", "123456789012.34567", "2025-01-01"))

    adopted(empty_url)

    assert rows(empty_url, "SELECT cash::text FROM portfolio_snapshots") == [("123456789012.34567",)]


def test_json_that_jsonb_refuses_is_mended_and_its_original_kept(taken_over: TakenOver) -> None:
    url = taken_over(L0).url

    stored = rows(url, "SELECT event_data FROM trading_events WHERE event_id LIKE 'bad%%' ORDER BY event_id")
    assert stored == [({"a": "x\ufffdy"},), ({"a": "1e400000"},), ({"a": "\ufffd", "b": "\U0001f600"},)]
    originals = rows(url, "SELECT original::text FROM _json_trading_events_event_data_0002 ORDER BY key")
    assert originals == [(text,) for text in BAD_JSON]


def test_registered_instruments_that_are_gone_are_set_aside(taken_over: TakenOver) -> None:
    url = taken_over(L0).url

    assert rows(url, "SELECT instrument_token FROM instrument_registry ORDER BY 1") == [(1,), (2,)]
    assert rows(url, "SELECT instrument_token FROM _orphan_instrument_registry_0002 ORDER BY 1") == [(98,), (99,)]


def test_a_symbol_that_the_registry_lacks_is_that_of_the_instrument(taken_over: TakenOver) -> None:
    url = taken_over(L0_OLDEST).url

    assert rows(url, "SELECT tradingsymbol FROM instrument_registry WHERE instrument_token = 1") == [("RELIANCE",)]


def test_strategies_are_compositions_unless_of_an_old_kind_or_told(taken_over: TakenOver, old: OldDatabase) -> None:
    url = taken_over(old).url

    found = rows(
        url, "SELECT id, use_composition FROM strategy_configurations WHERE id IN ('momentum', 'old') ORDER BY 1"
    )
    told = {L1_NEWER: (False, False), L2: (True, True)}.get(old, (True, False))
    assert found == [("momentum", told[0]), ("old", told[1])]


def test_ids_go_on_from_where_they_were(empty_url: str) -> None:
    L0.make(empty_url)
    fill(empty_url, L0)
    highest = rows(empty_url, "SELECT max(id) FROM portfolio_snapshots")[0][0]

    adopted(empty_url)

    with connected(empty_url) as connection:
        connection.exec_driver_sql(snapshot("paper:new", "1", "2025-01-01"))
    assert rows(empty_url, "SELECT id FROM portfolio_snapshots WHERE portfolio_id = 'paper:new'") == [(highest + 1,)]


def test_default_privileges_give_nobody_what_was_not_theirs(empty_url: str) -> None:
    L0.make(empty_url)
    fill(empty_url, L0)
    role = "guest_of_" + str(normalise_url(empty_url).database)[:40]
    with connected(empty_url) as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        connection.exec_driver_sql(f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role}, PUBLIC")
    old = {str(name) for (name,) in rows(empty_url, TABLES)}
    try:
        adopted(empty_url)

        known = {str(name) for (name,) in rows(empty_url, TABLES)}
        aside = {name for name in known if name.startswith("_")}
        assert len(aside) > 2
        readable = rows(empty_url, f"{TABLES} AND has_table_privilege('{role}', oid, 'select')")
        assert {name for (name,) in readable} & (old | aside) == set()
    finally:
        with connected(empty_url) as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {role}")
            connection.exec_driver_sql(f"DROP ROLE {role}")


def test_rights_of_others_are_kept(empty_url: str) -> None:
    L1.make(empty_url)
    role = "reader_of_" + str(normalise_url(empty_url).database)[:40]
    with connected(empty_url) as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        connection.exec_driver_sql(f"GRANT SELECT, INSERT ON portfolio_snapshots TO {role}")
        connection.exec_driver_sql(f"GRANT UPDATE (cash) ON portfolio_snapshots TO {role}")
    rights = (
        "SELECT relacl::text, (SELECT attacl::text FROM pg_attribute WHERE attrelid = c.oid AND attname = 'cash') "
        "FROM pg_class c WHERE relname = 'portfolio_snapshots'"
    )
    before = rows(empty_url, rights)
    try:
        adopted(empty_url)

        assert rows(empty_url, rights) == before
        assert role in str(before)
    finally:
        with connected(empty_url) as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {role}")
            connection.exec_driver_sql(f"DROP ROLE {role}")


def test_tables_of_others_are_left_alone(empty_url: str) -> None:
    L1.make(empty_url)
    with connected(empty_url) as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id integer PRIMARY KEY, text text)")
        connection.exec_driver_sql("INSERT INTO notes VALUES (1, 'mine')")

    adopted(empty_url)

    assert rows(empty_url, "SELECT * FROM notes") == [(1, "mine")]


def test_a_table_that_is_right_already_is_not_written_anew(empty_url: str) -> None:
    L1.make(empty_url)
    statement = "SELECT pg_relation_filenode('users'), pg_relation_filenode('trading_sessions')"
    before = rows(empty_url, statement)

    adopted(empty_url)

    assert rows(empty_url, statement) == before


def test_an_index_that_was_left_half_built_is_built_again(empty_url: str) -> None:
    L1.make(empty_url)
    name = "idx_trading_events_correlation"
    with connected(empty_url) as connection:
        connection.exec_driver_sql(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")

    adopted(empty_url)

    valid = f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{name}'::regclass"
    assert rows(empty_url, valid) == [(True,)]


def test_unique_constraints_become_the_unique_indexes_of_their_columns(empty_url: str, head_schema: str) -> None:
    L1.make(empty_url)
    with connected(empty_url) as connection:
        for table, column in {
            "users": "username",
            "trading_sessions": "user_id",
            "portfolio_snapshots": "portfolio_id",
        }.items():
            connection.exec_driver_sql(f"DROP INDEX ix_{table}_{column}")
            connection.exec_driver_sql(f"CREATE INDEX ix_{table}_{column} ON {table} ({column})")
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD UNIQUE ({column})")

    assert adopted(empty_url) is Kind.L1
    assert schema_of(empty_url, side_tables=True) == head_schema


def test_the_way_back_restores_every_row(empty_url: str) -> None:
    L0.make(empty_url)
    fill(empty_url, L0)
    before = books_of(empty_url)
    adopted(empty_url)

    command.downgrade(configuration(empty_url), "0001")

    after = books_of(empty_url)
    assert faults(before, after) == []
    assert (after.mended, set(map(len, after.set_aside.values()))) == ({}, {0})


def test_after_the_way_back_it_is_adopted_as_before(empty_url: str, head_schema: str) -> None:
    L0.make(empty_url)
    fill(empty_url, L0)
    before = books_of(empty_url)
    planned = survey(empty_url, SETTINGS)
    adopted(empty_url)
    command.downgrade(configuration(empty_url), "0001")

    again = survey(empty_url, SETTINGS)

    assert again.plan.kind is Kind.L0
    assert (again.losses, again.unfit, again.changes) == (planned.losses, planned.unfit, planned.changes)
    adopted(empty_url)

    assert faults(before, books_of(empty_url)) == []
    assert schema_of(empty_url, side_tables=False) == head_schema
