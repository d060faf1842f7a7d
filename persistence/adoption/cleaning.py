"""Rows of a table that is not written anew: values that stand for nothing are forgotten, unfit rows set aside."""

# ruff: noqa: S608 - every name in these statements is a constant of `shapes`

from __future__ import annotations

from collections.abc import Callable

from persistence.adoption.connection import Connection
from persistence.adoption.shadow import privacy
from persistence.adoption.shape import Column, Shape

_BATCH = 5_000


def holding_nothing(column: Column) -> str:
    """The condition on a row whose value stands for NULL; a column of `json` holds its text."""
    return f"{column.name}::text = '{column.nothing}'"


def forget(connection: Connection, shape: Shape, column: Column, forgotten: Callable[[int], None]) -> None:
    """Make NULL of the values that stand for it, a batch at a time."""
    found = f"SELECT {shape.key} FROM {shape.table} WHERE {holding_nothing(column)} ORDER BY {shape.key} LIMIT {_BATCH}"
    while count := connection.run(
        f"UPDATE {shape.table} SET {column.name} = NULL WHERE {shape.key} IN ({found}) AND {holding_nothing(column)}"
    ):
        forgotten(count)


def set_unfit_aside(connection: Connection, shape: Shape, moved: Callable[[int], None]) -> None:
    """Move unfit rows to their side table, a batch at a time."""
    side, names = shape.unfit_rows, ", ".join(column.name for column in shape.columns)
    with connection.transaction():
        connection.run(f"CREATE TABLE IF NOT EXISTS {side} (LIKE {shape.table})")
        connection.run(privacy(side))
    found = f"SELECT {shape.key} FROM {shape.table} AS t WHERE {shape.unfit} ORDER BY {shape.key} LIMIT {_BATCH}"
    while count := connection.run(
        f"WITH gone AS (DELETE FROM {shape.table} AS t WHERE t.{shape.key} IN ({found}) AND ({shape.unfit}) "
        f"RETURNING t.*) INSERT INTO {side} ({names}) SELECT {names} FROM gone"
    ):
        moved(count)
