"""Taking back an adoption that was not finished: until a table is replaced, it has only been looked at."""

# ruff: noqa: S608 - every name in these statements is a constant of `shapes`

from __future__ import annotations

from persistence.adoption.catalogue import STATE, TRIGGER, Catalogue, read_catalogue
from persistence.adoption.connection import Connection, Patience, connected
from persistence.adoption.shadow import Shadow
from persistence.adoption.shape import Shape
from persistence.adoption.shapes import SHAPES
from settings import DatabaseSettings


def undo(url: str, settings: DatabaseSettings, patience: Patience | None = None) -> tuple[tuple[str, ...], bool]:
    """Drop triggers, logs and copies; returns whose, and whether rows of replaced tables stay set aside.

    Raises:
        Conflict: a table was in use for too long.
        PersistenceError: by class, whatever else is wrong with the database.
    """
    with connected(url, settings, patience or Patience()) as connection:
        connection.take_lock()
        catalogue = read_catalogue(connection)
        unfinished = [shape for shape in SHAPES if shape.table in catalogue.shadows]
        for shape in unfinished:
            _drop(connection, catalogue, shape)
        # The side tables of an adoption that was finished long ago have nothing to do with it.
        replaced = bool(catalogue.begun_as and read_catalogue(connection).side_tables)
        if STATE in catalogue.relations and not replaced:
            connection.run(f"DROP TABLE {STATE}")
        connection.give_lock()
    return tuple(shape.table for shape in unfinished), replaced


def _drop(connection: Connection, catalogue: Catalogue, shape: Shape) -> None:
    live = catalogue.table(shape.table)
    if live is None:
        return
    shadow = Shadow(shape, live, catalogue.schema)
    sides = [*shape.sides, *(shadow.repairs(column) for column in shadow.documents)]

    def drop() -> None:
        connection.run(f"DROP TRIGGER {TRIGGER} ON {shape.table}")
        connection.run(f"DROP TRIGGER {TRIGGER}_all ON {shape.table}")
        connection.run(f"DROP FUNCTION {shadow.function}()")
        for name in (shadow.name, shadow.log, *sides):
            connection.run(f"DROP TABLE IF EXISTS {name}")
        connection.run(f"DELETE FROM {STATE} WHERE step = %s", (shadow.progress,))

    connection.locking(shape.table, drop)
