"""The runtime's own tables: inbox, outbox, dead letters, broker leases.

Reason: a message counts once (inbox), is published after its commit (outbox), is kept when it cannot be
handled (dead letters), and one process alone acts for a broker account (leases).
Lock: none, the tables are new.
Way back: `downgrade` drops the tables; what is unpublished or dead is lost, so let the outbox run empty
before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_inbox()
    _create_outbox()
    _create_dead_letters()
    op.create_table(
        "broker_leases",
        sa.Column("broker", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    for table in ("broker_leases", "dead_letters", "outbox", "inbox"):
        op.drop_table(table)


def _instant(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"))


def _create_inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("stream_seq", sa.BigInteger),
        _instant("received_at"),
    )
    op.create_index("idx_inbox_received_at", "inbox", ["received_at"], postgresql_using="brin")


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("messages", sa.LargeBinary, nullable=False),
        _instant("created_at"),
    )
    op.create_index("idx_outbox_created_at", "outbox", ["created_at"])


def _create_dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("error_class", sa.Text),
        sa.Column("broker", sa.Text),
        sa.Column("consumer", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text),
        sa.Column("stream", sa.Text),
        sa.Column("stream_seq", sa.BigInteger),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("headers", JSONB),
        _instant("created_at"),
    )
    op.create_index("idx_dead_letters_created_at", "dead_letters", ["created_at"])
