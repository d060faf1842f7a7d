"""The id of an event is a `bigint`: a 4-byte integer is used up in the end, and then every commit fails.

Reason: `trading_events` takes a row for every order placed, filled or failed and one more for the profit: at 300 rows
a second 2,147,483,647 ids last for 83 days, and deleting rows gives none back. The ids of the other tables stay as they
are: a save of books that are known draws none, and of users, subscriptions and loads there is one for each.
Lock: up to 100,000 rows ACCESS EXCLUSIVE on `trading_events` while they are written anew, 0.7 s. A million rows would
take 10 s and ten million nearly three minutes, so more are copied beside the table in batches, while a trigger notes
what changes; the copy is indexed, compared value by value, and put in the table's place. For that the table is locked
for 2.2 s at the most, and tried again for two minutes. A daemon may write all the while: with a million rows and a
writer at work it took 16 s, of which the writer waited 0.04 s, with ten million six minutes (two cores that were busy
with other work as well). The disk must have room for a second copy. Where an attempt was interrupted, the next one goes
on, or `db adopt --undo` drops the copy. Views, foreign keys, triggers, policies, publications and indexes of somebody
else on a table so large are refused; comments, storage parameters and statistics targets of it are not kept.
Way back: `downgrade` writes the table anew under its lock, so stop writers before; it refuses once an id was given that
an integer cannot hold.
"""

# ruff: noqa: S608 - every name in these statements is a constant of this file

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

from persistence.adoption.connection import Connection, Patience
from persistence.adoption.replacement import replace_table
from persistence.adoption.shapes import TRADING_EVENTS

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLE, SEQUENCE = "trading_events", "trading_events_id_seq"
REWRITTEN_ROWS = 100_000
HIGHEST_INTEGER = 2**31 - 1


def upgrade() -> None:
    if not _is_wide() and _has_more_than(REWRITTEN_ROWS):
        with op.get_context().autocommit_block():
            replace_table(Connection(op.get_bind().connection.driver_connection, Patience()), TRADING_EVENTS)
    _become("bigint")


def downgrade() -> None:
    op.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
    highest = _value(f"SELECT GREATEST((SELECT max(id) FROM {TABLE}), (SELECT last_value FROM {SEQUENCE}))")
    if highest > HIGHEST_INTEGER:
        raise CommandError(f"{TABLE} has given the id {highest}, which an integer cannot hold: there is no way back")
    _become("integer")


def _is_wide() -> bool:
    """Whether an adoption or an attempt that was interrupted at its end has made it so already."""
    found = f"SELECT atttypid = 'bigint'::regtype FROM pg_attribute WHERE attrelid = '{TABLE}'::regclass"
    return bool(_value(f"{found} AND attname = 'id'"))


def _has_more_than(rows: int) -> bool:
    return bool(_value(f"SELECT count(*) > {rows} FROM (SELECT FROM {TABLE} LIMIT {rows + 1}) AS found"))


def _become(kind: str) -> None:
    """What is so already costs nothing."""
    op.execute(f"ALTER TABLE {TABLE} ALTER COLUMN id TYPE {kind}")
    op.execute(f"ALTER SEQUENCE {SEQUENCE} AS {kind}")


def _value(query: str) -> int:
    return int(op.get_bind().execute(sa.text(query)).scalar_one())
