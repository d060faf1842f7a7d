"""An adoption while the old application goes on writing."""

from __future__ import annotations

import re
import threading
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Connection, text

from persistence.adoption.adoption import Progress, adopt
from persistence.adoption.connection import Patience
from persistence.adoption.connection import connected as connection_to
from persistence.adoption.plan import Action
from persistence.errors import Conflict
from persistence.urls import normalise_url
from settings import DatabaseSettings
from tests.adoption.dirt import fill
from tests.adoption.dumps import schema_of
from tests.adoption.old_databases import L0, L0_STAMPED, L1_NEWER, L2, OldDatabase
from tests.adoption.writers import Writer
from tests.persistence.databases import connected, name_of

SETTINGS = DatabaseSettings()
MARKS = {
    "users": ("username", "username"),
    "instruments": ("tradingsymbol", "tradingsymbol"),
    "instrument_registry": ("tradingsymbol", "tradingsymbol"),
    "strategy_configurations": ("id", "parameters->>'mark'"),
    "trading_sessions": ("session_id", "session_data->>'mark'"),
    "trading_events": ("event_id", "event_data->>'mark'"),
    "portfolio_snapshots": ("id::text", "positions->>'mark'"),
}
SIDES = {
    "trading_sessions": "_dup_trading_sessions_0002",
    "portfolio_snapshots": "_dup_portfolio_snapshots_0002",
    "instrument_registry": "_orphan_instrument_registry_0002",
}


def found(url: str, table: str) -> list[tuple[Any, ...]]:
    """The keys and marks of the writers' rows in the table and in its side table."""
    key, mark = MARKS[table]
    with connected(url) as connection:
        names = [table]
        if connection.execute(text("SELECT to_regclass(:name)"), {"name": SIDES.get(table, "")}).scalar():
            names.append(SIDES[table])
        queries = [f"SELECT {key}, {mark} FROM {name} WHERE {mark} LIKE 'w%%'" for name in names]
        return sorted(tuple(row) for row in connection.exec_driver_sql(" UNION ALL ".join(queries)))


@pytest.mark.parametrize("old", [L0, L0_STAMPED, L1_NEWER, L2], ids=lambda old: old.name)
def test_no_row_is_lost_and_nobody_waits_for_long(empty_url: str, old: OldDatabase, head_schema: str) -> None:
    old.make(empty_url)
    fill(empty_url, old)
    writers = [Writer(empty_url, f"w{number}", seed=number, old=old) for number in range(2)]
    with ExitStack() as stack:
        for writer in writers:
            stack.enter_context(writer)
        assert writers[0].wrote(200)

        def let_write(progress: Progress) -> None:
            if progress.step.action in {Action.COPY, Action.PROVE, Action.SWAP}:
                assert writers[0].wrote(20)

        adopt(empty_url, SETTINGS, let_write)
        assert all(writer.wrote(100) for writer in writers)

    assert [writer.memory.errors for writer in writers] == [[], []]
    assert all(writer.memory.refused.get("trading_sessions") for writer in writers)
    assert max(writer.memory.longest_s for writer in writers) < Patience().longest_s
    for table in MARKS:
        marks = [
            (name, mark) for writer in writers for (owner, name), mark in writer.memory.rows.items() if owner == table
        ]
        assert found(empty_url, table) == sorted(marks), table
        assert marks
    assert schema_of(empty_url) == head_schema


def test_a_truncated_table_stays_empty(empty_url: str) -> None:
    L1_NEWER.make(empty_url)
    fill(empty_url, L1_NEWER)

    def truncate(progress: Progress) -> None:
        if progress.step.action is Action.PROVE and progress.step.table == "portfolio_snapshots" and not progress.ended:
            with connected(empty_url) as connection:
                connection.exec_driver_sql("TRUNCATE portfolio_snapshots")
                connection.exec_driver_sql(
                    "INSERT INTO portfolio_snapshots (portfolio_id, broker_namespace, strategy_id, positions, "
                    "total_realized_pnl, total_unrealized_pnl, total_pnl, cash) "
                    "VALUES ('p', 'b', 's', '{}', 0, 0, 0, 5)"
                )

    adopt(empty_url, SETTINGS, truncate)

    with connected(empty_url) as connection:
        assert connection.exec_driver_sql("SELECT portfolio_id FROM portfolio_snapshots").scalars().all() == ["p"]


def test_rows_whose_keys_change_hands_are_carried_over(empty_url: str) -> None:
    L0.make(empty_url)
    fill(empty_url, L0)
    statements = (
        "UPDATE trading_sessions SET user_id = 'bob', is_active = true, updated_at = now() WHERE session_id = 'a2'",
        "UPDATE trading_events SET event_id = 'was-1' WHERE event_id = 'event-1'",
        "UPDATE trading_events SET event_id = 'event-1' WHERE event_id = 'event-2'",
        "UPDATE trading_events SET id = 100000 WHERE event_id = 'event-3'",
        "DELETE FROM trading_events WHERE event_id = 'event-4'",
        "UPDATE strategy_configurations SET id = 'renamed' WHERE id = 'momentum'",
    )

    def change(progress: Progress) -> None:
        if progress.step.action is Action.INDEX and not progress.ended:
            with connected(empty_url) as connection:
                for statement in statements:
                    if progress.step.table in statement:
                        connection.exec_driver_sql(statement)

    adopt(empty_url, SETTINGS, change)

    with connected(empty_url) as connection:
        sessions = connection.exec_driver_sql(
            "SELECT user_id, session_id FROM trading_sessions WHERE user_id IN ('ann', 'bob') ORDER BY 1"
        )
        assert [tuple(row) for row in sessions] == [("ann", "a1"), ("bob", "a2")]
        events = connection.exec_driver_sql(
            "SELECT event_id, id FROM trading_events WHERE id < 5 OR id = 100000 ORDER BY id"
        )
        assert [tuple(row) for row in events] == [("was-1", 1), ("event-1", 2), ("event-3", 100000)]
        names = connection.exec_driver_sql("SELECT id FROM strategy_configurations WHERE id IN ('renamed', 'momentum')")
        assert names.scalars().all() == ["renamed"]


def test_a_table_in_use_is_given_up_and_named_with_its_user_while_others_hardly_wait(empty_url: str) -> None:
    L1_NEWER.make(empty_url)
    fill(empty_url, L1_NEWER)
    writer = Writer(empty_url, "w", seed=1, old=L1_NEWER)
    with connected(empty_url, connect_args={"application_name": "the-report"}) as reader, writer:
        reader.exec_driver_sql("BEGIN")
        reader.exec_driver_sql("SELECT count(*) FROM portfolio_snapshots")
        with pytest.raises(Conflict, match=r"portfolio_snapshots was in use for 5 s.*the-report, idle in transaction"):
            adopt(
                empty_url, SETTINGS, lambda _: None, Patience(lock_s=0.2, insistent_lock_s=0.3, hold_s=1.0, total_s=5.0)
            )
        reader.exec_driver_sql("COMMIT")
        assert writer.memory.longest_s < 2.0
        adopt(empty_url, SETTINGS, lambda _: None)
    assert writer.memory.errors == []


def test_an_index_that_waits_for_a_snapshot_of_somebody_else_names_who_holds_it(empty_url: str) -> None:
    L1_NEWER.make(empty_url)
    fill(empty_url, L1_NEWER)
    reports: list[Connection] = []

    def look_elsewhere(progress: Progress) -> None:
        if progress.step.action is Action.CREATE_INDEX and not reports:
            options = {"application_name": "the-report"}
            reports.append(stack.enter_context(connected(empty_url, connect_args=options)))
            reports[0].exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ")
            reports[0].exec_driver_sql("SELECT count(*) FROM pg_class")

    with ExitStack() as stack:
        with pytest.raises(Conflict) as raised:
            adopt(empty_url, SETTINGS, look_elsewhere, Patience(total_s=1.5))
        pid = reports[0].exec_driver_sql("SELECT pg_backend_pid()").scalar_one()

    assert re.search(
        rf"process {pid} \(user alpha_panda, the-report, idle in transaction\) has held a transaction for \d:\d\d:\d\d"
        rf": let it end, or end it with SELECT pg_terminate_backend\({pid}\)$",
        str(raised.value),
    )
    adopt(empty_url, SETTINGS, lambda _: None)


def test_a_user_who_may_not_see_the_sessions_of_others_is_told_so(empty_url: str) -> None:
    name = "owner_of_" + name_of(empty_url)[:40]
    url = normalise_url(empty_url).set(username=name, password="pw").render_as_string(hide_password=False)
    patience = Patience(lock_s=0.1, insistent_lock_s=0.1, total_s=0.3)
    with connected(empty_url) as other:
        other.exec_driver_sql(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
        other.exec_driver_sql(f"CREATE SCHEMA AUTHORIZATION {name} CREATE TABLE busy (id integer)")
        try:
            with connection_to(url, SETTINGS, patience) as connection:
                other.exec_driver_sql("BEGIN")
                other.exec_driver_sql(f"LOCK TABLE {name}.busy")
                with pytest.raises(Conflict, match="cannot see by whom: GRANT pg_read_all_stats"):
                    connection.locking("busy", lambda: connection.rows("SELECT FROM busy").clear())
                other.exec_driver_sql("COMMIT")
        finally:
            other.exec_driver_sql(f"DROP OWNED BY {name}")
            other.exec_driver_sql(f"DROP ROLE {name}")


def test_a_writer_that_deadlocks_with_it_goes_on(empty_url: str) -> None:
    L0.make(empty_url)
    fill(empty_url, L0)
    errors: list[BaseException] = []
    holds, linking = threading.Event(), threading.Event()

    def write() -> None:
        """Hold the instruments, and want the registry once it is locked."""
        try:
            with connected(empty_url) as connection:
                connection.exec_driver_sql("BEGIN")
                connection.exec_driver_sql("UPDATE instruments SET is_active = true")
                holds.set()
                assert linking.wait(90)
                while not connection.exec_driver_sql(
                    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'instruments'::regclass)"
                ).scalar():
                    linking.wait(0.01)
                connection.exec_driver_sql("UPDATE instrument_registry SET priority = 1")
                connection.exec_driver_sql("COMMIT")
        except BaseException as error:
            errors.append(error)
            raise

    def told(progress: Progress) -> None:
        if progress.step.action is Action.LINK and not progress.ended:
            thread.start()
            assert holds.wait(90)
            linking.set()

    thread = threading.Thread(target=write)
    adopt(empty_url, SETTINGS, told)
    thread.join(90)

    assert errors == []
