"""Questions to the rows, made from the models: no duplicates, orphans, or money that is no number.

JSON of another kind than this version writes is worth a note only, as an adoption keeps it and nothing fails by it;
whether positions can be opened is for the reader of the books to say.
"""

# ruff: noqa: S608 - every name in these statements is one of the models

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ForeignKey, Numeric, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB

from persistence.books import NAMED
from persistence.models import metadata, portfolio_snapshots, strategy_configurations
from persistence.schema_facts import OWN_SEQUENCE, Kind, demands

MOST_COUNTED = 1_000
"""Faulty rows that are counted; what is beyond says nothing new."""
_ARRAYS = (strategy_configurations.c.instruments,)


@dataclass(frozen=True, slots=True)
class RowCheck:
    """A count that has to be zero.

    Args:
        table: whose rows.
        name: what they must be free of.
        columns: those of the tables that the query reads, as `table.column`.
        query: one figure, at most `MOST_COUNTED`.
        cure: what to do about them.
        is_fault: false where they are only worth a note.
    """

    table: str
    name: str
    columns: tuple[str, ...]
    query: str
    cure: str
    is_fault: bool = True


def row_checks() -> list[RowCheck]:
    """All of them, table by table."""
    return [check for table in metadata.tables.values() for check in _of_table(table)]


def _of_table(table: Table) -> Iterator[RowCheck]:
    for key in _keys(table):
        yield _duplicates(table, key)
    for column in table.columns:
        for reference in column.foreign_keys:
            yield _orphans(column, reference)
        if isinstance(column.type, JSONB):
            yield _broken_json(column)
        if isinstance(column.type, Numeric):
            yield _where(column, f"NaN or infinite {column.name}", f"{column.name} IN ('NaN', 'Infinity', '-Infinity')")
        # The token of an instrument comes from the exchange, never from the sequence that its column has.
        if column.name == "id" and _is_serial(column):
            yield _sequence_behind(column)
    if table is portfolio_snapshots:
        yield _misnamed(table)
        yield _in_the_way(table)


def _keys(table: Table) -> Iterator[tuple[str, ...]]:
    yield tuple(table.primary_key.columns.keys())
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield tuple(constraint.columns.keys())
    for index in table.indexes:
        if index.unique:
            yield tuple(index.columns.keys())


def _duplicates(table: Table, key: tuple[str, ...]) -> RowCheck:
    names = ", ".join(key)
    known = " AND ".join(f"{name} IS NOT NULL" for name in key)
    groups = f"FROM {table.name} WHERE {known} GROUP BY {names} HAVING count(*) > 1"
    return RowCheck(
        table.name,
        f"duplicate {names}",
        tuple(f"{table.name}.{name}" for name in key),
        _counted(f"SELECT {groups}"),
        f"keep one row of each: SELECT {names}, count(*) {groups}",
    )


def _orphans(column: Column[Any], reference: ForeignKey) -> RowCheck:
    here, there = column.table.name, reference.column
    found = (
        f"FROM {here} WHERE {column.name} IS NOT NULL AND NOT EXISTS "
        f"(SELECT FROM {there.table.name} WHERE {there.table.name}.{there.name} = {here}.{column.name})"
    )
    return RowCheck(
        here,
        f"orphaned {column.name}",
        (f"{here}.{column.name}", f"{there.table.name}.{there.name}"),
        _counted(f"SELECT {found}"),
        f"load what is missing, or DELETE {found}",
    )


def _broken_json(column: Column[Any]) -> RowCheck:
    wanted = "array" if any(column is one for one in _ARRAYS) else "object"
    condition = f"jsonb_typeof({column.name}) <> '{wanted}'"
    return _where(column, f"{column.name} not a JSON {wanted}", condition, is_fault=False)


def _misnamed(table: Table) -> RowCheck:
    names = ("portfolio_id", "broker_namespace", "strategy_id")
    return RowCheck(
        table.name,
        "portfolio_id not broker:strategy_id",
        tuple(f"{table.name}.{name}" for name in names),
        _counted(f"SELECT FROM {table.name} WHERE NOT ({NAMED})"),
        "of a strategy without a snapshot of that name the newest counts, and the others are left alone: "
        f"SELECT id, {', '.join(names)}, snapshot_time FROM {table.name} WHERE NOT ({NAMED})",
        is_fault=False,
    )


def _in_the_way(table: Table) -> RowCheck:
    names = ("portfolio_id", "broker_namespace", "strategy_id")
    found = f"FROM {table.name} WHERE NOT ({NAMED}) AND portfolio_id ~ '^[a-z0-9]+:'"
    return RowCheck(
        table.name,
        "portfolio_id of another strategy",
        tuple(f"{table.name}.{name}" for name in names),
        _counted(f"SELECT {found}"),
        "the strategy that bears the name cannot save its own, and its signals become dead letters: "
        f"rename what SELECT id, {', '.join(names)} {found} lists",
        is_fault=False,
    )


def _sequence_behind(column: Column[Any]) -> RowCheck:
    table, name = column.table.name, column.name
    sequence = f"pg_get_serial_sequence('{table}', '{name}')"
    return RowCheck(
        table,
        f"{name} beyond its sequence",
        (f"{table}.{name}",),
        f"SELECT count(*) FROM (SELECT max({name}) AS highest FROM {table}) AS rows "
        f"WHERE highest > COALESCE(pg_sequence_last_value({sequence}::regclass), 0)",
        f"SELECT setval({sequence}, max({name})) FROM {table}",
    )


def _where(column: Column[Any], fault: str, condition: str, *, is_fault: bool = True) -> RowCheck:
    table = column.table
    found = f"FROM {table.name} WHERE {condition}"
    return RowCheck(
        table.name,
        fault,
        (f"{table.name}.{column.name}",),
        _counted(f"SELECT {found}"),
        f"correct them: SELECT {', '.join(table.primary_key.columns.keys())} {found}",
        is_fault,
    )


def _counted(query: str) -> str:
    return f"SELECT count(*) FROM ({query} LIMIT {MOST_COUNTED}) AS found"


def _is_serial(column: Column[Any]) -> bool:
    return (column.table.name, column.name) in {
        (one.fact.table, one.fact.name)
        for one in demands()
        if one.fact.kind is Kind.DEFAULT and one.fact.definition == OWN_SEQUENCE
    }
