"""What a plan says of the revisions that are ahead is what they lock."""

from __future__ import annotations

import re

import pytest
from alembic import command
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.pool import NullPool

from persistence.adoption.connection import Patience
from persistence.adoption.pending import HOLDS, Hold, Pending, pending
from persistence.adoption.plan import Waits
from persistence.adoption.shape import REVISION
from persistence.adoption.survey import survey
from persistence.migration import ahead_of, configuration
from persistence.urls import normalise_url
from settings import DatabaseSettings
from tests.persistence.databases import connected

STRENGTHS = ["SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"]
"""Locks that writers wait for, the weakest first."""
LOCKS = """
    SELECT relname, mode FROM pg_locks JOIN pg_class c ON c.oid = relation
     WHERE pid = pg_backend_pid() AND granted AND relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


def test_every_revision_that_can_be_ahead_says_what_it_locks() -> None:
    assert tuple(HOLDS) == ahead_of(REVISION)


@pytest.mark.parametrize("revision", HOLDS)
def test_it_is_what_the_revision_holds_when_it_is_committed(empty_url: str, revision: str) -> None:
    before = f"{int(revision) - 1:04d}"
    command.upgrade(configuration(empty_url), before)
    with connected(empty_url) as connection:
        tables = set(
            connection.exec_driver_sql("SELECT tablename FROM pg_tables WHERE tablename !~ 'alembic'").scalars()
        )
    held: dict[str, int] = {}

    def look(connection: Connection) -> None:
        for table, mode in connection.execute(text(LOCKS)):
            name = " ".join(re.findall("[A-Z][a-z]+", mode)[:-1]).upper()
            if table in tables and name in STRENGTHS:
                held[table] = max(held.get(table, 0), STRENGTHS.index(name))

    config = configuration()
    engine = create_engine(normalise_url(empty_url), poolclass=NullPool)
    event.listen(engine, "commit", look)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    assert {table: STRENGTHS[lock] for table, lock in held.items()} == {
        hold.table: hold.lock for hold in HOLDS[revision]
    }
    assert all((hold.waits is Waits.WRITERS) == (hold.lock == "SHARE") for hold in HOLDS[revision])


def test_who_waits_waits_for_each_lock_and_for_the_work_that_the_rows_make() -> None:
    relations = frozenset({"trading_events", "users", "instruments"})
    found = pending(("0005", "0007", "0008"), relations, {"instruments": 300_000, "trading_events": 100_000})

    assert [one.longest_s(Patience(insistent_lock_s=1.0)) for one in found] == [
        pytest.approx(3.0),
        pytest.approx(1.0 + 300_000 / HOLDS["0007"][0].rows_per_s),
        pytest.approx(1.0 + 100_000 / HOLDS["0008"][0].rows_per_s),
    ]
    assert [hold.table for hold in found[0].holds] == ["instruments", "trading_events", "users"]


def test_a_table_that_is_copied_beside_makes_nobody_wait_longer_than_in_an_adoption() -> None:
    (found,) = pending(("0008",), frozenset({"trading_events"}), {"trading_events": 50_000_000})

    assert found.copied == ("trading_events",)
    assert found.longest_s(Patience()) == Patience().longest_s


def test_a_database_of_ours_is_surveyed_with_what_is_ahead(empty_url: str) -> None:
    command.upgrade(configuration(empty_url), "0006")

    found = survey(empty_url, DatabaseSettings()).pending

    assert found[0] == Pending("0007", (Hold("instruments", "SHARE", Waits.WRITERS, 150_000),), 0.0, ())
    assert [one.revision for one in found] == list(ahead_of("0006"))
