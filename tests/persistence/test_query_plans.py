"""The queries of a long history are answered by the indexes made for them, and by nothing else."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.database.filling import fill_events
from benchmarks.database.plans import explain
from benchmarks.database.queries import QUERIES, Query, parameters
from benchmarks.path.servers import connect
from persistence.models import trading_events
from tests.persistence.databases import new_database

ROWS = 60_000
"""So many that the planner would rather scan the table than sort what a wrong index finds."""


@pytest.fixture(scope="module")
def filled_url(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """A database with a history."""
    with new_database(postgres_url, migrated_template) as url:
        fill_events(url, ROWS)
        yield url


@pytest.fixture
def cursor(filled_url: str) -> Iterator[Any]:
    """In a transaction that is rolled back."""
    with contextlib.closing(connect(filled_url)) as connection:
        connection.autocommit = False
        yield connection.cursor()


def given() -> dict[str, Any]:
    return {**parameters(random.Random(7), ROWS), "strategy": "strategy_40", "days": 60}


def test_each_query_has_its_index() -> None:
    named = {index.name for index in trading_events.indexes}

    assert {query.index for query in QUERIES} == {name for name in named if str(name).startswith("idx_")}


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_it_is_answered_by_its_index_alone(cursor: Any, query: Query) -> None:
    plan = explain(cursor, query.statement, given())

    assert plan.indexes == {query.index}, plan


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_without_its_index_the_table_is_scanned_or_another_misused(cursor: Any, query: Query) -> None:
    with_index = explain(cursor, query.statement, given())
    cursor.execute(f"DROP INDEX {query.index}")

    without = explain(cursor, query.statement, given())

    assert query.index not in without.indexes
    assert without.pages > 5 * with_index.pages, f"{with_index}; without: {without}"


def test_a_scan_of_the_table_is_seen_as_such(cursor: Any) -> None:
    plan = explain(cursor, "SELECT max(event_data::text) FROM trading_events", {})

    assert plan.indexes == {None}
