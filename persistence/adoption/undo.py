"""Taking back an adoption that was not finished: until a table is replaced, it has only been looked at."""

# ruff: noqa: S608 - every name in these statements is a constant of `shapes`

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from persistence.adoption.catalogue import STATE, TRIGGER, Catalogue, read_catalogue
from persistence.adoption.connection import Connection, Patience, connected
from persistence.adoption.kinds import rewritten
from persistence.adoption.shadow import Shadow
from persistence.adoption.shape import Shape
from persistence.adoption.shapes import SHAPES
from settings import DatabaseSettings

_WATCHED = """
    SELECT relname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
     WHERE tgname = %s AND relnamespace = quote_ident(current_schema())::regnamespace
"""


@dataclass(frozen=True, slots=True)
class Undone:
    """What was taken back. `missing` has a line for each table that somebody else had dropped before."""

    dropped: tuple[str, ...]
    """The tables whose unfinished copies are gone."""
    replaced: bool
    """Whether some tables are in their new shape, and stay so."""
    missing: tuple[str, ...] = ()


def undo(url: str, settings: DatabaseSettings, patience: Patience | None = None) -> Undone:
    """Drop triggers, logs and copies.

    Raises:
        Conflict: a table was in use for too long.
        PersistenceError: by class, whatever else is wrong with the database.
    """
    with connected(url, settings, patience or Patience()) as connection:
        connection.take_lock()
        catalogue = read_catalogue(connection)
        watched = {name for (name,) in connection.rows(_WATCHED, (TRIGGER,))}
        unfinished = [shadow for shape in SHAPES if (shadow := _shadow(catalogue, shape, watched))]
        missing = [line for shadow in unfinished for line in _missing(catalogue, shadow)]
        for shadow in unfinished:
            _drop(connection, shadow, begun=STATE in catalogue.relations)
        replaced = _replaced(connection, catalogue)
        sides = read_catalogue(connection).side_tables
        missing += [line for shape in replaced for line in _lost(sides, shape)]
        # The side tables of an adoption that was finished long ago have nothing to do with it.
        stay = bool(catalogue.begun_as and (sides or replaced))
        if STATE in catalogue.relations and not stay:
            connection.run(f"DROP TABLE {STATE}")
        connection.give_lock()
    return Undone(tuple(shadow.table for shadow in unfinished), stay, tuple(missing))


def _shadow(catalogue: Catalogue, shape: Shape, watched: set[str]) -> Shadow | None:
    """What there is of the table's shadow, if anything."""
    live = catalogue.table(shape.table)
    if live is None:
        return None
    shadow = Shadow(shape, live, catalogue.schema)
    begun = shape.table in watched or {shadow.name, shadow.log} & catalogue.relations
    return shadow if begun else None


def _missing(catalogue: Catalogue, shadow: Shadow) -> Iterator[str]:
    for name in shadow.parts:
        if name in catalogue.relations:
            continue
        if name == shadow.log:
            yield f"{name} was missing: since it was dropped, every write to {shadow.table} failed; now they work again"
        else:
            yield f"{name} was missing: it held copies of rows that {shadow.table} still has, so nothing is lost"


def _replaced(connection: Connection, catalogue: Catalogue) -> list[Shape]:
    """The tables that are known to be in their new shape, as their copying has been noted and is not undone."""
    if not catalogue.begun_as:
        return []
    noted = {step for (step,) in connection.rows(f"SELECT step FROM {STATE}")}
    return [
        shape
        for shape in SHAPES
        if (live := catalogue.table(shape.table))
        and Shadow(shape, live, catalogue.schema).progress in noted
        and not rewritten(catalogue, shape)
    ]


def _lost(sides: tuple[str, ...], shape: Shape) -> Iterator[str]:
    for name in shape.sides:
        if name not in sides:
            yield (
                f"{name} is missing: the rows of {shape.table} that were set aside there are gone, and only a backup "
                "has them"
            )


def _drop(connection: Connection, shadow: Shadow, *, begun: bool) -> None:
    def drop() -> None:
        connection.run(f"DROP TRIGGER IF EXISTS {TRIGGER} ON {shadow.table}")
        connection.run(f"DROP TRIGGER IF EXISTS {TRIGGER}_all ON {shadow.table}")
        connection.run(f"DROP FUNCTION IF EXISTS {shadow.function}()")
        for name in shadow.parts:
            connection.run(f"DROP TABLE IF EXISTS {name}")
        if begun:
            connection.run(f"DELETE FROM {STATE} WHERE step = %s", (shadow.progress,))

    connection.locking(shadow.table, drop)
