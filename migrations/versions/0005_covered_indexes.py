"""No index that another one covers: a column's own beside a composite that begins with it, a second on a key.

Reason: each costs every insert its share and answers no query that the other does not; on `trading_events` five of
eleven go, which is most of what an event costs.
Lock: ACCESS EXCLUSIVE on each table in turn, for an instant; a query that holds the table makes it wait, at most for
the lock timeout of the migration.
Way back: `downgrade` builds them again, which locks out writers for as long as that takes.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COVERED = (
    ("instruments", "exchange"),
    ("instruments", "tradingsymbol"),
    ("portfolio_snapshots", "broker_namespace"),
    ("portfolio_snapshots", "id"),
    ("portfolio_snapshots", "strategy_id"),
    ("strategy_configurations", "id"),
    ("trading_events", "broker_namespace"),
    ("trading_events", "correlation_id"),
    ("trading_events", "id"),
    ("trading_events", "instrument_token"),
    ("trading_events", "strategy_id"),
    ("trading_sessions", "session_id"),
    ("users", "id"),
)


def upgrade() -> None:
    for table, column in COVERED:
        op.drop_index(f"ix_{table}_{column}", table, if_exists=True)


def downgrade() -> None:
    for table, column in COVERED:
        op.create_index(f"ix_{table}_{column}", table, [column], if_not_exists=True)
