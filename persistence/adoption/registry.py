"""The link from the registry to its instruments, made while others write to both."""

# ruff: noqa: S608 - every name in these statements is a constant of `shapes`

from __future__ import annotations

from collections.abc import Callable

from persistence.adoption.connection import Connection
from persistence.adoption.shadow import privacy
from persistence.adoption.shapes import FOREIGN_KEY

_BATCH = 5_000
_TABLE, _COLUMN, _TARGET, _SIDE = FOREIGN_KEY.table, FOREIGN_KEY.column, FOREIGN_KEY.target, FOREIGN_KEY.orphans
_ORPHANS = (
    f"SELECT id FROM {_TABLE} AS entry WHERE NOT EXISTS "
    f"(SELECT FROM {_TARGET} AS one WHERE one.{_COLUMN} = entry.{_COLUMN})"
)


def link(connection: Connection) -> None:
    """Hold new rows to the foreign key; old ones are not looked at.

    Raises:
        Conflict: the tables were in use for too long.
    """
    connection.locking(
        _TABLE,
        lambda: _run(
            connection,
            f"CREATE TABLE IF NOT EXISTS {_SIDE} (LIKE {_TABLE})",
            privacy(_SIDE),
            f"ALTER TABLE {_TABLE} DROP CONSTRAINT IF EXISTS {FOREIGN_KEY.name}, "
            f"ADD CONSTRAINT {FOREIGN_KEY.name} {FOREIGN_KEY.definition} NOT VALID",
        ),
    )


def set_orphans_aside(connection: Connection, moved: Callable[[int], None]) -> None:
    """Move rows whose instrument is gone to the side table, a batch at a time."""
    with connection.transaction():
        _run(connection, f"CREATE TABLE IF NOT EXISTS {_SIDE} (LIKE {_TABLE})", privacy(_SIDE))
    while count := connection.run(
        f"WITH gone AS (DELETE FROM {_TABLE} WHERE id IN ({_ORPHANS} ORDER BY id LIMIT {_BATCH}) RETURNING *) "
        f"INSERT INTO {_SIDE} SELECT * FROM gone"
    ):
        moved(count)


def validate(connection: Connection) -> None:
    """Prove the foreign key for all rows. Whoever reads or writes goes on."""
    connection.unhurried(
        _TABLE, lambda: _run(connection, f"ALTER TABLE {_TABLE} VALIDATE CONSTRAINT {FOREIGN_KEY.name}")
    )


def fill_and_forbid_null(connection: Connection, column: str) -> None:
    """Fill NULLs of a column that the instrument has as well, then forbid them, without a scan under a lock.

    Raises:
        Conflict: the table was in use for too long.
    """
    check = f"_{column}_not_null"
    add = (
        f"ALTER TABLE {_TABLE} DROP CONSTRAINT IF EXISTS {check}, "
        f"ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID"
    )
    connection.locking(_TABLE, lambda: _run(connection, add))
    connection.run(
        f"UPDATE {_TABLE} AS entry SET {column} = one.{column} FROM {_TARGET} AS one "
        f"WHERE one.{_COLUMN} = entry.{_COLUMN} AND entry.{column} IS NULL"
    )
    connection.unhurried(_TABLE, lambda: _run(connection, f"ALTER TABLE {_TABLE} VALIDATE CONSTRAINT {check}"))
    forbid = f"ALTER TABLE {_TABLE} ALTER COLUMN {column} SET NOT NULL, DROP CONSTRAINT {check}"
    connection.locking(_TABLE, lambda: _run(connection, forbid))


def _run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.run(statement)
