"""Taking back an adoption that was not finished: until a table is replaced, it has only been looked at."""

# ruff: noqa: S608 - every name in these statements is a constant of `shapes`

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from persistence.adoption.catalogue import STATE, TRIGGER, Catalogue, read_catalogue
from persistence.adoption.connection import Connection, Patience, connected
from persistence.adoption.kinds import namesakes, rewritten, unfinished
from persistence.adoption.shadow import Shadow
from persistence.adoption.shape import Shape
from persistence.adoption.shapes import ALPHA_PANDAS_REVISION, SHAPES
from persistence.migration import refuse_unknown
from settings import DatabaseSettings


@dataclass(frozen=True, slots=True)
class Undone:
    """What was taken back. `missing` has a line for each table that somebody else had dropped before."""

    dropped: tuple[str, ...]
    """The tables whose unfinished copies are gone."""
    replaced: bool
    """Whether some tables are in their new shape, and stay so."""
    missing: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    """What is named as if an adoption had made it, which nothing proves: it was not touched."""


def undo(url: str, settings: DatabaseSettings, patience: Patience | None = None) -> Undone:
    """Drop triggers, logs and copies that an unfinished adoption has verifiably made.

    Raises:
        NotMigrated: it is at a revision that this version does not know.
        Conflict: a table was in use for too long.
        PersistenceError: by class, whatever else is wrong with the database.
    """
    with connected(url, settings, patience or Patience()) as connection:
        connection.take_lock()
        catalogue = read_catalogue(connection)
        if catalogue.revision not in {"", ALPHA_PANDAS_REVISION}:
            refuse_unknown(catalogue.revision)
        shadows = [shadow for shape in SHAPES if (shadow := unfinished(catalogue, shape))]
        missing = [line for shadow in shadows for line in _missing(catalogue, shadow)]
        left = [name for shape in SHAPES for name in namesakes(catalogue, shape)]
        for shadow in shadows:
            parts = _parts(catalogue, shadow)
            left += [name for name in shadow.parts if name in catalogue.relations and name not in parts]
            _drop(connection, shadow, parts, begun=STATE in catalogue.relations)
        replaced = _replaced(catalogue)
        sides = read_catalogue(connection).side_tables
        missing += [line for shape in replaced for line in _lost(sides, shape)]
        # The side tables of an adoption that was finished long ago have nothing to do with it.
        stay = bool(catalogue.begun_as and (sides or replaced))
        if STATE in catalogue.relations and not stay:
            connection.run(f"DROP TABLE {STATE}")
        connection.give_lock()
    return Undone(tuple(shadow.table for shadow in shadows), stay, tuple(missing), tuple(left))


def _parts(catalogue: Catalogue, shadow: Shadow) -> tuple[str, ...]:
    """The tables of the shadow that are known to be its own: rows are set aside by an adoption alone, which says so."""
    return shadow.parts if catalogue.begun_as else (shadow.name, shadow.log)


def _missing(catalogue: Catalogue, shadow: Shadow) -> Iterator[str]:
    for name in _parts(catalogue, shadow):
        if name in catalogue.relations:
            continue
        if name != shadow.log:
            yield f"{name} was missing: it held copies of rows that {shadow.table} still has, so nothing is lost"
        elif shadow.table in catalogue.watched:
            yield f"{name} was missing: since it was dropped, every write to {shadow.table} failed; now they work again"
        else:
            yield f"{name} was missing: it only named rows that {shadow.table} still has, so nothing is lost"


def _replaced(catalogue: Catalogue) -> list[Shape]:
    """The tables that are known to be in their new shape, as their copying has been noted and is not undone."""
    if not catalogue.begun_as:
        return []
    return [
        shape
        for shape in SHAPES
        if (live := catalogue.table(shape.table))
        and Shadow(shape, live, catalogue.schema).progress in catalogue.noted
        and not rewritten(catalogue, shape)
    ]


def _lost(sides: tuple[str, ...], shape: Shape) -> Iterator[str]:
    for name in shape.sides:
        if name not in sides:
            yield (
                f"{name} is missing: the rows of {shape.table} that were set aside there, if any, are gone, and only a "
                "backup has them"
            )


def _drop(connection: Connection, shadow: Shadow, parts: tuple[str, ...], *, begun: bool) -> None:
    def drop() -> None:
        connection.run(f"DROP TRIGGER IF EXISTS {TRIGGER} ON {shadow.table}")
        connection.run(f"DROP TRIGGER IF EXISTS {TRIGGER}_all ON {shadow.table}")
        connection.run(f"DROP FUNCTION IF EXISTS {shadow.function}()")
        for name in parts:
            connection.run(f"DROP TABLE IF EXISTS {name}")
        if begun:
            connection.run(f"DELETE FROM {STATE} WHERE step = %s", (shadow.progress,))

    connection.locking(shadow.table, drop)
