"""The keys to prune are found by a btree: the BRIN is of no use once their room is used again.

Reason: a key is written where a pruned one has left room, so that in the end each block has old times and new ones in
its range, which only ever grows; each portion of 2,000 then read the whole inbox: 38 ms with 600,000 keys, where the
btree needs 1 ms. Keys of one commit have the same time, of which a btree keeps one: 7 bytes a key.
Lock: ACCESS EXCLUSIVE on `inbox` while the btree is built, about 0.6 s for a million keys. Whoever reads it also writes
to it, so that a weaker lock would let nobody more in.
Way back: `downgrade` builds the BRIN again.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLE, INDEX = "inbox", "idx_inbox_received_at"


def upgrade() -> None:
    op.drop_index(INDEX, TABLE, if_exists=True)
    op.create_index(INDEX, TABLE, ["received_at"])


def downgrade() -> None:
    op.drop_index(INDEX, TABLE)
    op.create_index(INDEX, TABLE, ["received_at"], postgresql_using="brin")
