"""Alpha Panda's tables as they were before the critical fixes.

Reason: a frozen starting point, so that an empty database and an old one walk the same way. Names are those
that `create_all` gave.
Lock: none, the tables are new.
Way back: `downgrade` drops the tables with all that is in them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INDEXES = (
    ("users", "id", False),
    ("users", "username", True),
    ("trading_sessions", "session_id", False),
    ("trading_sessions", "user_id", False),
    ("strategy_configurations", "id", False),
    ("portfolio_snapshots", "id", False),
    ("portfolio_snapshots", "portfolio_id", False),
    ("portfolio_snapshots", "broker_namespace", False),
    ("portfolio_snapshots", "strategy_id", False),
    ("trading_events", "id", False),
    ("trading_events", "event_id", True),
    ("trading_events", "broker_namespace", False),
    ("trading_events", "strategy_id", False),
    ("trading_events", "instrument_token", False),
    ("trading_events", "correlation_id", False),
    ("instruments", "tradingsymbol", False),
    ("instruments", "exchange", False),
)


def upgrade() -> None:
    _create_accounts()
    _create_trading()
    _create_instruments()
    for table, column, unique in _INDEXES:
        op.create_index(f"ix_{table}_{column}", table, [column], unique=unique)


def downgrade() -> None:
    for table in (
        "instrument_registry",
        "instruments",
        "trading_events",
        "portfolio_snapshots",
        "strategy_configurations",
        "trading_sessions",
        "users",
    ):
        op.drop_table(table)


def _instant(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"))


def _create_accounts() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("username", sa.String, nullable=False),
        sa.Column("hashed_password", sa.String, nullable=False),
        _instant("created_at"),
    )
    op.create_table(
        "trading_sessions",
        sa.Column("session_id", sa.String, primary_key=True),
        sa.Column("user_id", sa.String, nullable=False),
        _instant("start_time"),
        sa.Column("end_time", sa.DateTime(timezone=True)),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("session_data", sa.JSON),
        _instant("created_at"),
        _instant("updated_at"),
    )


def _create_trading() -> None:
    op.create_table(
        "strategy_configurations",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("strategy_type", sa.String, nullable=False),
        sa.Column("instruments", sa.JSON, nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("zerodha_trading_enabled", sa.Boolean, nullable=False),
        _instant("created_at"),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "portfolio_snapshots",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("portfolio_id", sa.String, nullable=False),
        sa.Column("broker_namespace", sa.String, nullable=False),
        sa.Column("strategy_id", sa.String, nullable=False),
        sa.Column("positions", sa.JSON, nullable=False),
        sa.Column("total_realized_pnl", sa.Float, nullable=False),
        sa.Column("total_unrealized_pnl", sa.Float, nullable=False),
        sa.Column("total_pnl", sa.Float, nullable=False),
        sa.Column("cash", sa.Float, nullable=False),
        _instant("snapshot_time"),
        _instant("created_at"),
    )
    op.create_table(
        "trading_events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("event_id", sa.String, nullable=False),
        sa.Column("event_type", sa.String, nullable=False),
        sa.Column("broker_namespace", sa.String, nullable=False),
        sa.Column("strategy_id", sa.String, nullable=False),
        sa.Column("instrument_token", sa.Integer, nullable=False),
        sa.Column("event_data", sa.JSON, nullable=False),
        sa.Column("correlation_id", sa.String),
        sa.Column("event_timestamp", sa.DateTime(timezone=True), nullable=False),
        _instant("created_at"),
    )


def _create_instruments() -> None:
    op.create_table(
        "instruments",
        sa.Column("instrument_token", sa.Integer, primary_key=True),
        sa.Column("exchange_token", sa.Integer, nullable=False),
        sa.Column("tradingsymbol", sa.String(50), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("exchange", sa.String(10), nullable=False),
        sa.Column("segment", sa.String(20)),
        sa.Column("instrument_type", sa.String(10)),
        sa.Column("last_price", sa.Numeric(15, 4)),
        sa.Column("tick_size", sa.Numeric(10, 4)),
        sa.Column("lot_size", sa.Integer),
        sa.Column("expiry", sa.DateTime),
        sa.Column("strike", sa.Numeric(15, 4)),
        sa.Column("is_active", sa.Boolean),
        _instant("created_at"),
        _instant("updated_at"),
        sa.Column("source_file", sa.String(255)),
    )
    op.create_table(
        "instrument_registry",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("instrument_token", sa.Integer, nullable=False),
        sa.Column("tradingsymbol", sa.String(50), nullable=False),
        sa.Column("exchange", sa.String(10), nullable=False),
        sa.Column("is_subscribed", sa.Boolean),
        sa.Column("priority", sa.Integer),
        _instant("added_at"),
        sa.Column("added_by", sa.String(100)),
        sa.Column("notes", sa.String(500)),
        sa.UniqueConstraint("instrument_token", name="instrument_registry_instrument_token_key"),
    )
