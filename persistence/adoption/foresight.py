"""What will stand in the tables after an adoption, read from those of before: values that change, and the books."""

# ruff: noqa: S608 - every name in these statements is a constant of `shapes` or stands in the catalogue

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from persistence.adoption.catalogue import Catalogue, LiveTable
from persistence.adoption.connection import Connection
from persistence.adoption.shadow import Shadow
from persistence.adoption.shape import Column, Shape
from persistence.adoption.shapes import FOREIGN_KEY, MONEY, PORTFOLIO_SNAPSHOTS, SHAPES
from persistence.books import NAMED, counting, record
from persistence.json_repair import repaired
from persistence.records import PortfolioRecord

KEYS_CAN_BE_ASKED = 160_000
"""The first version of the server that tells whether JSON names a key twice."""
NAMED_AT_MOST = 20
_PORTION = 1_000
# A number that `numeric` cannot hold has an exponent of four digits, or more than so many characters.
_SUSPICIOUS = (
    r"(t.{0}::text ~ '\\u(0000|[dD][89abAB][0-9a-fA-F]{{2}})|[0-9][eE][+-]?[0-9]{{4}}' OR length(t.{0}::text) > 15000)"
)


@dataclass(frozen=True, slots=True)
class Change:
    """Values of a column, as `table.column`, that will not stay as they are."""

    column: str
    count: int
    words: str
    """What becomes of them."""


@dataclass(frozen=True, slots=True)
class BegunAnew:
    """Strategies of which no snapshot stays, so that their books begin anew; some are named, by broker and strategy."""

    count: int = 0
    named: tuple[tuple[str, str, str], ...] = ()
    """The broker, the strategy, and the `portfolio_id` of the newest of its snapshots."""


def changes(connection: Connection, catalogue: Catalogue) -> tuple[Change, ...]:
    """All that will change of the rows that stay; called in a transaction."""
    found = [
        change
        for shape in SHAPES
        if (table := catalogue.table(shape.table)) is not None
        for column in shape.columns
        for change in _changes(connection, Shadow(shape, table, catalogue.schema), column, catalogue.version)
    ]
    return tuple(change for change in found if change.count)


def misnamed(connection: Connection, catalogue: Catalogue) -> int:
    """How many of the snapshots that stay have another name than that under which the daemon saves books."""
    table = catalogue.table(PORTFOLIO_SNAPSHOTS.table)
    if table is None:
        return 0
    staying = _staying(PORTFOLIO_SNAPSHOTS, table, catalogue)
    count: int = connection.value(f"SELECT count(*) FROM {staying} AS t WHERE NOT ({NAMED})")
    return count


def begun_anew(connection: Connection) -> BegunAnew:
    """The strategies that have snapshots, all of which are unfit."""
    shape = PORTFOLIO_SNAPSHOTS
    rows = connection.rows(
        "SELECT broker_namespace, strategy_id, portfolio_id, count(*) OVER () FROM (SELECT DISTINCT ON "
        f"(broker_namespace, strategy_id) * FROM {shape.table} AS t WHERE {shape.unfit} "
        f"ORDER BY broker_namespace, strategy_id, {shape.best_first}) AS gone WHERE NOT EXISTS "
        f"(SELECT FROM {shape.table} AS t WHERE {shape.fit} AND t.broker_namespace = gone.broker_namespace "
        f"AND t.strategy_id = gone.strategy_id) ORDER BY broker_namespace, strategy_id LIMIT {NAMED_AT_MOST}"
    )
    return BegunAnew(rows[0][-1], tuple(row[:-1] for row in rows)) if rows else BegunAnew()


def expected_books(connection: Connection, catalogue: Catalogue) -> Iterator[PortfolioRecord]:
    """The books that the daemon will open, as it will find them; called in a transaction."""
    table = catalogue.table(PORTFOLIO_SNAPSHOTS.table)
    if table is None:
        return
    money = ", ".join(f"{name}::text::numeric AS {name}" for name in MONEY)
    others = "id, portfolio_id, broker_namespace, strategy_id, positions, snapshot_time, created_at"
    source = f"(SELECT {others}, {money} FROM {_staying(PORTFOLIO_SNAPSHOTS, table, catalogue)} AS t)"
    positions = table.column("positions")
    mended = positions is not None and positions.kind == "json"
    for *columns, document in _portions(connection, counting(source)):
        yield record((*columns, repaired(document) if mended else document))


def _changes(connection: Connection, shadow: Shadow, column: Column, version: int) -> Iterator[Change]:
    table, live = shadow.table, shadow.live.column(column.name)
    rows = shadow.chosen("true")
    if live is None and column.named_before:
        count = connection.value(f"SELECT count(*) FROM {rows} AS t")
        yield Change(f"{table}.{column.named_before}", count, f"values stand in {column.name} then")
    elif live is None:
        counted = f"SELECT ({column.made_of})::text, count(*) FROM {rows} AS t GROUP BY 1 ORDER BY 1"
        for value, count in connection.rows(counted):
            yield Change(f"{table}.{column.name}", count, f"rows get {value}")
    elif live.kind == "json" and column.kind == "jsonb":
        yield from _documents(connection, shadow, column, version)
    elif table == FOREIGN_KEY.table and column.not_null and not live.not_null:
        count = connection.value(f"SELECT count(*) FROM {rows} AS t WHERE t.{column.name} IS NULL")
        yield Change(f"{table}.{column.name}", count, "values that are NULL become that of the instrument")


def _documents(connection: Connection, shadow: Shadow, column: Column, version: int) -> Iterator[Change]:
    name, rows = column.name, shadow.chosen("true")
    suspicious = _SUSPICIOUS.format(name)
    texts = _portions(connection, f"SELECT t.{name}::text FROM {rows} AS t WHERE {suspicious}")
    refused = sum(repaired(document) != document for (document,) in texts)
    kept = f"values that jsonb refuses are mended, and kept as they are in {shadow.repairs(name)}"
    yield Change(f"{shadow.table}.{name}", refused, kept)
    if version >= KEYS_CAN_BE_ASKED:
        twice = f"SELECT count(*) FROM {rows} AS t WHERE NOT {suspicious} AND t.{name} IS NOT JSON WITH UNIQUE KEYS"
        words = "values name a key twice, of which jsonb keeps the last"
        yield Change(f"{shadow.table}.{name}", connection.value(twice), words)


def _staying(shape: Shape, table: LiveTable, catalogue: Catalogue) -> str:
    return Shadow(shape, table, catalogue.schema).chosen("true")


def _portions(connection: Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query that may have many."""
    connection.run(f"DECLARE foreseen CURSOR FOR {query}")
    while rows := connection.rows(f"FETCH {_PORTION} FROM foreseen"):
        yield from rows
    connection.run("CLOSE foreseen")
