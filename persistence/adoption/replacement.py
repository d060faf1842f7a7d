"""Replacing a table by a copy of another shape, while others write to it; what an interrupted attempt did is kept."""

from __future__ import annotations

import logging

from persistence.adoption.carrying import Carrier
from persistence.adoption.catalogue import STATE, read_catalogue
from persistence.adoption.connection import Connection
from persistence.adoption.kinds import in_its_place, in_the_way
from persistence.adoption.shadow import Shadow
from persistence.adoption.shape import Shape
from persistence.errors import NotMigrated

_log = logging.getLogger(__name__)


def begin(connection: Connection) -> None:
    """Make the table that says how far the copies have come."""
    connection.run(f"CREATE TABLE IF NOT EXISTS {STATE} (step text PRIMARY KEY, key text, rows bigint)")


def prepare(connection: Connection, shadow: Shadow) -> None:
    """Make the shadow, and have every change of the table noted from now on.

    Raises:
        Conflict: the table was in use for too long.
    """

    def create() -> None:
        for statement in shadow.creation():
            connection.run(statement)

    connection.locking(shadow.table, create)


def build_indexes(connection: Connection, shadow: Shadow) -> None:
    """Build the indexes of the shadow that are not there yet."""
    made = {row[0] for row in connection.rows("SELECT indexrelid::regclass::text FROM pg_index")}
    for index in shadow.shape.indexes:
        if not index.unique and f"_new_{index.name}" not in made:
            connection.run(shadow.index_creation(index))
    connection.run(f"ANALYZE {shadow.name}")


def replace_table(connection: Connection, shape: Shape) -> None:
    """Give a table of this program's schema that shape, from wherever an interrupted attempt has come to.

    Nobody waits for longer than the connection's patience says. `db adopt --undo` drops an unfinished copy.

    Raises:
        NotMigrated: something hangs on the table that would be lost with it; the message says what.
        Conflict: the table was in use for too long; a repeat goes on from there.
        PersistenceError: the copy is not equal, or the table was changed meanwhile; it is untouched.
    """
    catalogue = read_catalogue(connection)
    live = catalogue.table(shape.table)
    if live is None:
        raise NotMigrated(f"the table {shape.table} is missing")
    if obstacles := (*in_the_way(live, shape), *in_its_place(catalogue, shape)):
        raise NotMigrated(f"{shape.table} cannot be migrated yet: {'; '.join(obstacles)}")
    shadow = Shadow(shape, live, catalogue.schema)
    carrier = Carrier(connection, shadow, lambda _: None)
    # A warning, as it is seen on a terminal and in the journal: nothing else is for as long as it takes.
    _log.warning("copying the rows of %s beside it, which may take minutes", shape.table)
    # An orphan of a killed program ends soon, and does not meet its successor.
    connection.run("SET client_connection_check_interval = 1000")
    begin(connection)
    if shape.table not in catalogue.shadows:
        prepare(connection, shadow)
    carrier.copy()
    build_indexes(connection, shadow)
    carrier.catch_up()
    carrier.prove()
    carrier.swap(lambda: _forget(connection))


def _forget(connection: Connection) -> None:
    connection.run(f"DROP TABLE {STATE}")
