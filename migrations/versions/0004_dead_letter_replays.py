"""Dead letters know when their stream took them, and how often and when they were published again.

Reason: an operator publishes a dead letter again once its cause is mended (`dlq replay`); it must be seen which
ones, none may go out twice by mistake, and a login of long ago must not take the place of a newer one.
Lock: ACCESS EXCLUSIVE on `dead_letters`, for an instant; the default is a constant, so no row is rewritten.
Way back: `downgrade` drops the columns; which letters were replayed is lost.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("stored_at", sa.DateTime(timezone=True)))
    op.add_column("dead_letters", sa.Column("replays", sa.Integer, nullable=False, server_default=sa.text("0")))
    op.add_column("dead_letters", sa.Column("replayed_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for column in ("replayed_at", "replays", "stored_at"):
        op.drop_column("dead_letters", column)
